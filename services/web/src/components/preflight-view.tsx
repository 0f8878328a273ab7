import { Alert, Group, List, Stack, Tabs, Text } from '@mantine/core';
import type { Preflight } from '../api/worker-api.ts';

/** What would be sent: counts with reasons, problems, and the first messages as they would look. */
export function PreflightView({ preflight }: { preflight: Preflight }) {
  const { recipients, rendering, problems, provider, etaSeconds } = preflight;
  const rejected = Object.entries(recipients.rejected);
  return (
    <Stack gap="sm">
      <Text fw={600}>
        {recipients.willBeSent.toLocaleString()} of {recipients.total.toLocaleString()} recipients will be
        sent to
      </Text>
      <Group gap="lg">
        <Fact name="Suppressed" value={recipients.suppressed.toLocaleString()} />
        <Fact name="Cannot be made" value={recipients.failing.toLocaleString()} />
        <Fact
          name="Rows left out"
          value={rejected.map(([reason, count]) => `${count} ${reason}`).join(', ') || '0'}
        />
        <Fact
          name={`Through ${provider.name}`}
          value={etaSeconds === null ? 'no limit set' : `about ${etaSeconds} s`}
        />
        <Fact name="A message" value={`${rendering.averageBytes.toLocaleString()} bytes`} />
      </Group>
      {problems.map((problem) => (
        <Alert
          key={problem.code + problem.message}
          color={problem.severity === 'error' ? 'red' : 'yellow'}
          title={problem.message}
          py="xs"
        >
          {problem.fix}
        </Alert>
      ))}
      <Samples samples={rendering.samples} />
    </Stack>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {name}
      </Text>
      <Text size="sm">{value}</Text>
    </div>
  );
}

function Samples({ samples }: { samples: Preflight['rendering']['samples'] }) {
  if (samples.length === 0) return null;
  return (
    <Tabs defaultValue={String(samples[0]!.n)}>
      <Tabs.List aria-label="Samples">
        {samples.map((sample) => (
          <Tabs.Tab key={sample.n} value={String(sample.n)}>
            {sample.address}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {samples.map((sample) => (
        <Tabs.Panel key={sample.n} value={String(sample.n)} pt="sm">
          <List size="sm" listStyleType="none" mb="xs">
            <List.Item>From: {sample.from}</List.Item>
            <List.Item>Subject: {sample.subject}</List.Item>
          </List>
          {/* The sandbox runs no script of a message. */}
          {sample.html !== null && (
            <iframe
              title={`Message to ${sample.address}`}
              sandbox=""
              srcDoc={sample.html}
              style={{ width: '100%', height: 200, border: '1px solid #ddd' }}
            />
          )}
          {sample.html === null && <pre>{sample.text}</pre>}
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
