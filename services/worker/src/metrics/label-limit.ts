/** Users choose the names of providers: beyond this many, what comes later is one series. */
const MAX_VALUES = 100;
const REST = '_other';

/** Keeps a label's number of values bounded. */
export class LabelLimit {
  private readonly known = new Set<string>();

  of(value: string): string {
    if (this.known.has(value)) return value;
    if (this.known.size >= MAX_VALUES) return REST;
    this.known.add(value);
    return value;
  }
}
