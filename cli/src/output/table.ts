/** Columns padded to their widest cell; the last one is cut to what the terminal has left. */
export function table(rows: string[][], columns = process.stdout.columns ?? 0): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows
    .map((row) => {
      const line = row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd();
      return columns > 20 && line.length > columns ? `${line.slice(0, columns - 1)}…` : line;
    })
    .join('\n');
}
