/** Enough of Prometheus' HTTP API for tests. */
export class PrometheusApi {
  private readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** Samples of an instant query. @throws with Prometheus' words when the query is wrong */
  async query(promql: string): Promise<{ metric: Record<string, string>; value: number }[]> {
    const { data } = await this.get<{
      result: { metric: Record<string, string>; value: [number, string] }[];
    }>(`query?query=${encodeURIComponent(promql)}`);
    return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  /** The first sample, or null. */
  async value(promql: string): Promise<number | null> {
    return (await this.query(promql))[0]?.value ?? null;
  }

  async metricNames(): Promise<Set<string>> {
    return new Set((await this.get<{ data: string[] } & string[]>('label/__name__/values')).data as string[]);
  }

  private async get<T>(path: string): Promise<{ data: T }> {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    const body = (await response.json()) as { status: string; error?: string; data: T };
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`);
    return body;
  }
}
