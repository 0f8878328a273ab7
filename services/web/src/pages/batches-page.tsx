import { Alert, Button, Container, Group, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { listBatches, logOut } from '../api/worker-api.ts';
import { BatchRow } from '../components/batch-row.tsx';
import { NewBatch } from '../components/new-batch.tsx';

const REFRESH_MS = 1000;

export function BatchesPage({ user }: { user: string }) {
  const queries = useQueryClient();
  const [creating, setCreating] = useState(false);
  const [cursors, setCursors] = useState<string[]>([]);
  const cursor = cursors.at(-1) ?? null;
  const batches = useQuery({
    queryKey: ['batches', cursor],
    queryFn: () => listBatches(cursor),
    refetchInterval: REFRESH_MS,
    placeholderData: (previous) => previous,
  });
  const out = useMutation({ mutationFn: logOut, onSettled: () => queries.resetQueries() });
  const items = batches.data?.items ?? [];
  return (
    <Container size="lg" py="md" component="main">
      <Group justify="space-between" mb="md">
        <Title order={1} size="h3">
          Batches
        </Title>
        <Group gap="sm">
          <Text size="sm" c="dimmed">
            {user}
          </Text>
          <Button size="xs" onClick={() => setCreating(true)}>
            New batch
          </Button>
          <Button variant="default" size="xs" onClick={() => out.mutate()}>
            Log out
          </Button>
        </Group>
      </Group>
      {batches.error && (
        <Alert color="red" mb="md" title="The list is not up to date">
          {batches.error.message}
        </Alert>
      )}
      <NewBatch opened={creating} onClose={() => setCreating(false)} />
      <Table.ScrollContainer minWidth={640}>
        <Table verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th w={220}>Progress</Table.Th>
              <Table.Th ta="right">Messages</Table.Th>
              <Table.Th>Provider</Table.Th>
              <Table.Th>Created</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.map((batch) => (
              <BatchRow key={batch.id} batch={batch} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {batches.data && items.length === 0 && (
        <Text c="dimmed" ta="center" py="xl">
          No batches yet. Send one with: npx batchsender seed --batch 1000
        </Text>
      )}
      <Group justify="flex-end" mt="md">
        {cursors.length > 0 && (
          <Button variant="default" size="xs" onClick={() => setCursors(cursors.slice(0, -1))}>
            Newer
          </Button>
        )}
        {batches.data?.next && (
          <Button variant="default" size="xs" onClick={() => setCursors([...cursors, batches.data.next!])}>
            Older
          </Button>
        )}
      </Group>
    </Container>
  );
}
