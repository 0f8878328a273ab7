import { placeOf, type StackPlan } from '../../stack/plan.ts';
import type { ComposeService } from './compose/compose-file.ts';
import { serviceFor } from './services.ts';

/** The services of a plan that are containers. */
export function containerServices(plan: StackPlan): ComposeService[] {
  return plan.running
    .filter((component) => placeOf(component, plan.selection) === 'docker')
    .map((component) => serviceFor(component, plan.context(component)));
}
