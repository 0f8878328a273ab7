import { Badge, Group, Progress, Table, Text } from '@mantine/core';
import type { Batch } from '../api/worker-api.ts';

const COLOR: Record<Batch['state'], string> = {
  draft: 'gray',
  scheduled: 'blue',
  sending: 'cyan',
  paused: 'yellow',
  completed: 'green',
  cancelled: 'gray',
};

export function BatchRow({ batch }: { batch: Batch }) {
  const percent = Math.floor(batch.progress * 100);
  const failed = batch.counts.failed + batch.counts.bounced;
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm" fw={500} truncate maw={260} title={batch.name}>
          {batch.name}
        </Text>
      </Table.Td>
      <Table.Td>
        <Badge color={COLOR[batch.state]} variant="light">
          {batch.state}
        </Badge>
      </Table.Td>
      <Table.Td>
        <Group gap="xs" wrap="nowrap">
          <Progress
            value={percent}
            w={140}
            color={failed ? 'orange' : 'green'}
            aria-label={`${percent} percent of ${batch.name}`}
          />
          <Text size="xs" c="dimmed">
            {percent} %
          </Text>
        </Group>
        {failed > 0 && (
          <Text size="xs" c="orange">
            {failed.toLocaleString('en')} failed
          </Text>
        )}
      </Table.Td>
      <Table.Td ta="right">
        <Text size="sm">{batch.total.toLocaleString('en')}</Text>
      </Table.Td>
      <Table.Td>
        <Text size="sm">{batch.provider.name}</Text>
      </Table.Td>
      <Table.Td>
        <Text size="xs" c="dimmed">
          {new Date(batch.createdAt).toLocaleString()}
        </Text>
      </Table.Td>
    </Table.Tr>
  );
}
