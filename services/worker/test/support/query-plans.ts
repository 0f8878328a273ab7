import pg from 'pg';

export interface Statement {
  text: string;
  values: unknown[];
}

export interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Plan Rows': number;
  Plans?: PlanNode[];
}

/** A node that reads a table, and how many of its rows are expected to be read. */
export interface TableRead {
  how: string;
  table: string;
  rows: number;
}

/** Records each statement that goes through the driver, once for each first value: most often a batch's id. */
export class StatementRecorder {
  readonly statements = new Map<string, Statement>();
  private readonly original = pg.Client.prototype.query;

  start(): void {
    const { original, statements } = this;
    // biome-ignore lint/suspicious/noExplicitAny: the driver's many forms of the call
    pg.Client.prototype.query = function record(this: pg.Client, ...args: any[]) {
      const text: unknown = typeof args[0] === 'string' ? args[0] : args[0]?.text;
      const values = Array.isArray(args[1]) ? args[1] : (args[0]?.values ?? []);
      if (typeof text === 'string' && /^\s*(SELECT|WITH|INSERT|UPDATE|DELETE)/i.test(text))
        statements.set(`${text} ${values[0]}`, { text, values });
      // biome-ignore lint/suspicious/noExplicitAny: as above
      return (original as any).apply(this, args);
    } as typeof original;
  }

  stop(): void {
    pg.Client.prototype.query = this.original;
  }
}

/** What it reads; null when it needs a table that lived in a transaction only. */
export async function readsOf(pool: pg.Pool, { text, values }: Statement): Promise<TableRead[] | null> {
  try {
    const { rows } = await pool.query(`EXPLAIN (FORMAT JSON) ${text}`, values);
    return reads((rows[0] as { 'QUERY PLAN': { Plan: PlanNode }[] })['QUERY PLAN'][0]!.Plan);
  } catch (error) {
    if ((error as { code?: string }).code === '42P01') return null;
    throw new Error(`${(error as Error).message} in ${text}`);
  }
}

/** These need all rows before they give the first. */
const GREEDY = /^(Sort|Aggregate|Hash|Materialize|WindowAgg|ModifyTable)$/;

/** A node below a Limit stops when the page is full, unless something between the two wants everything. */
function reads(node: PlanNode, most = Number.POSITIVE_INFINITY): TableRead[] {
  const type = node['Node Type'];
  const limit = type === 'Limit' ? node['Plan Rows'] : GREEDY.test(type) ? Number.POSITIVE_INFINITY : most;
  const table = node['Relation Name'];
  const index = node['Index Name'];
  const own =
    table && type !== 'ModifyTable'
      ? [{ how: index ? `${type} by ${index}` : type, table, rows: Math.min(node['Plan Rows'], most) }]
      : [];
  return [...own, ...(node.Plans ?? []).flatMap((child) => reads(child, limit))];
}
