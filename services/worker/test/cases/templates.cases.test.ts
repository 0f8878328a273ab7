import { compileTemplate, type TemplateSource } from '../../src/domain/template/template.ts';
import { TemplateError } from '../../src/domain/template/template-error.ts';
import { testCases } from './case-files.ts';

interface Input {
  template: TemplateSource;
  variables?: Record<string, unknown>;
  recipients?: { address: string; variables: Record<string, unknown> }[];
  timezone?: string;
}

testCases<Input, unknown>('templates', (input) => {
  const render = (variables: Record<string, unknown>) => {
    try {
      const result = compileTemplate(input.template, { timezone: input.timezone }).render(variables);
      return result.ok ? { rendered: result.content } : { errors: result.problems };
    } catch (error) {
      if (error instanceof TemplateError) return { errors: error.problems };
      throw error;
    }
  };
  if (!input.recipients) return render(input.variables ?? {});
  return { results: input.recipients.map(({ address, variables }) => ({ address, ...render(variables) })) };
});
