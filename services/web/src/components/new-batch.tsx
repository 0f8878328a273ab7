import { Alert, Button, FileInput, Group, Modal, Stack, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import {
  createBatch,
  discardBatch,
  type Import,
  type Preflight,
  preflightBatch,
  sendBatch,
  uploadRecipients,
} from '../api/worker-api.ts';
import { PreflightView } from './preflight-view.tsx';

interface Draft {
  id: string;
  imported: Import;
  preflight: Preflight;
}

/** A draft, its recipients and its preflight in one step; a second one sends it or throws it away. */
export function NewBatch({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const queries = useQueryClient();
  const [draft, setDraft] = useState<Draft | null>(null);
  const close = () => {
    setDraft(null);
    onClose();
    return queries.invalidateQueries({ queryKey: ['batches'] });
  };
  const send = useMutation({ mutationFn: () => sendBatch(draft!.id), onSuccess: close });
  const discard = useMutation({ mutationFn: () => discardBatch(draft!.id), onSuccess: close });
  return (
    <Modal
      opened={opened}
      onClose={() => (draft ? discard.mutate() : close())}
      title={draft ? 'Preflight' : 'New batch'}
      size="lg"
    >
      {!draft && <NewBatchForm onDraft={setDraft} />}
      {draft && (
        <Stack>
          <PreflightView preflight={draft.preflight} />
          {draft.imported.rejected > 0 && (
            <a href={`/api/batches/${draft.id}/imports/${draft.imported.id}/rejects`}>
              Download the {draft.imported.rejected.toLocaleString()} rejected rows
            </a>
          )}
          {send.error && <Alert color="red">{send.error.message}</Alert>}
          <Group justify="flex-end">
            <Button variant="default" loading={discard.isPending} onClick={() => discard.mutate()}>
              Discard
            </Button>
            <Button disabled={!draft.preflight.ok} loading={send.isPending} onClick={() => send.mutate()}>
              Send
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}

function NewBatchForm({ onDraft }: { onDraft: (draft: Draft) => void }) {
  const [file, setFile] = useState<File | null>(null);
  const make = useMutation({
    mutationFn: (form: FormData) => makeDraft(form, file!),
    onSuccess: onDraft,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    make.mutate(new FormData(event.currentTarget));
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <TextInput name="name" label="Name" required maxLength={200} />
        <TextInput name="from" label="From" required placeholder="News <news@example.com>" />
        <TextInput name="provider" label="Provider" placeholder="the only one, or the one named default" />
        <TextInput name="subject" label="Subject" placeholder="Hello {{ name }}" />
        <Textarea name="html" label="HTML" required autosize minRows={4} maxRows={12} />
        <FileInput
          label="Recipients"
          description="CSV, TSV, NDJSON or JSON, also gzip; columns are the variables of the template"
          required
          value={file}
          onChange={setFile}
        />
        {make.error && <Alert color="red">{make.error.message}</Alert>}
        <Group justify="flex-end">
          <Button type="submit" disabled={!file} loading={make.isPending}>
            Check
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** A draft whose file cannot be used is removed again. */
async function makeDraft(form: FormData, file: File): Promise<Draft> {
  const field = (name: string) => String(form.get(name) ?? '') || undefined;
  const { id } = await createBatch({
    name: field('name')!,
    from: field('from'),
    provider: field('provider'),
    template: { subject: field('subject'), html: field('html') },
  });
  try {
    const imported = await uploadRecipients(id, file);
    return { id, imported, preflight: await preflightBatch(id) };
  } catch (error) {
    await discardBatch(id).catch(() => {});
    throw error;
  }
}
