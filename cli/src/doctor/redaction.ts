import type { StackSecrets } from '../stack/stack.ts';

const HIDDEN = '***';
/** Shorter values would take innocent text with them. */
const SHORTEST = 6;
const SECRET_NAME = /PASSWORD|SECRET|TOKEN|API_KEY|PRIVATE/i;

/** Takes secrets and addresses out of text that is given to others. */
export class Redaction {
  private readonly values: string[];

  private constructor(values: string[]) {
    this.values = values.filter((value) => value.length >= SHORTEST).sort((a, b) => b.length - a.length);
  }

  /** The stack's own secrets, and everything in the environment that is named like one. */
  static of(secrets: StackSecrets, env: NodeJS.ProcessEnv): Redaction {
    const named = Object.entries(env).filter(([name, value]) => value && SECRET_NAME.test(name));
    return new Redaction([...Object.values(secrets), ...named.map(([, value]) => value!)]);
  }

  of(text: string): string {
    let clean = text;
    for (const value of this.values) clean = clean.replaceAll(value, HIDDEN);
    return clean
      .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@"']*):[^\s@/"']+@/gi, `$1:${HIDDEN}@`)
      .replace(/(authorization["':\s]+(?:bearer|basic)\s+)[^\s"',]+/gi, `$1${HIDDEN}`)
      .replace(/[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+\.[A-Za-z0-9.-]+)/g, `${HIDDEN}@$1`);
  }
}
