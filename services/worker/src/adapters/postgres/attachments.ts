import type { Attachment } from '../../domain/content/attachment.ts';
import type { AttachmentSummary } from '../../http/batch-stores.ts';
import type { Client, Pool, Queryable } from './pool.ts';

export async function storeAttachments(
  client: Client,
  batchId: string,
  attachments: readonly Attachment[],
): Promise<void> {
  for (const [no, { filename, contentType, contentId, base64 }] of attachments.entries())
    await client.query(
      `INSERT INTO batch_attachments (batch_id, no, filename, content_type, content_id, content)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [batchId, no, filename, contentType, contentId, Buffer.from(base64, 'base64')],
    );
}

export async function loadAttachments(pool: Pool, batchId: string): Promise<Attachment[]> {
  const { rows } = await pool.query<Omit<Attachment, 'base64'> & { content: Buffer }>(
    `SELECT filename, content_type AS "contentType", content_id AS "contentId", content
     FROM batch_attachments WHERE batch_id = $1 ORDER BY no`,
    [batchId],
  );
  return rows.map(({ content, ...one }) => ({ ...one, base64: content.toString('base64') }));
}

export async function attachmentSummaries(db: Queryable, batchId: string): Promise<AttachmentSummary[]> {
  const { rows } = await db.query<AttachmentSummary>({
    name: 'attachment-summaries',
    text: `SELECT filename, content_type AS "contentType", content_id IS NOT NULL AS inline, octet_length(content) AS bytes
           FROM batch_attachments WHERE batch_id = $1 ORDER BY no`,
    values: [batchId],
  });
  return rows;
}
