import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findProgram } from '../src/components/programs.ts';
import { docker, dockerEnv } from './docker.ts';
import { type RegistryMood, startRegistry, type TestRegistry } from './registry.ts';
import { has } from './requirement.ts';
import { TestStack } from './run-cli.ts';

const env = dockerEnv();
const withNats = has('nats');

interface Failure {
  error: { id: string; exitCode: number; message: string; fix: string };
}
interface Report {
  checks: {
    id: string;
    status: string;
    message: string;
    fix: string;
    evidence?: string[];
    repaired?: string;
  }[];
}

describe.runIf(env !== null && withNats)('images from a registry', () => {
  let registry: TestRegistry;
  let stack: TestStack;
  beforeAll(async () => {
    registry = await startRegistry(findProgram(['nats-server'], process.env)!.path);
    const { BATCHSENDER_IMAGE_NATS: _local, ...others } = env!;
    stack = new TestStack('pulled', { ...others, BATCHSENDER_IMAGE_PREFIX: registry.host });
  });
  beforeEach(() => {
    registry.mood = 'serving';
  });
  afterAll(async () => {
    await stack.remove();
    removeImages();
    registry.close();
  });

  function removeImages(): void {
    const ours = docker('images', '--format', '{{.Repository}}:{{.Tag}}')
      .split('\n')
      .filter((name) => name.startsWith(`${registry.host}/`));
    if (ours.length) docker('rmi', '-f', ...ours);
  }
  const up = () => stack.run(['--json', 'up', '--only', 'nats', '--no-test-batch']);
  const doctor = async (args: string[]) =>
    (await stack.json<Report>(['doctor', ...args])).checks.find(({ id }) => id === args[0])!;

  test.each([
    ['denied', 'image_denied', 47, 'docker login'],
    ['limited', 'image_rate_limited', 49, 'docker login'],
    ['missing', 'image_not_found', 45, '--image'],
    ['foreign', 'image_platform', 45, '--image'],
  ] as [RegistryMood, string, number, string][])(
    'one that says "%s": up ends with %s and starts nothing',
    async (mood, id, exitCode, fix) => {
      registry.mood = mood;
      const run = await up();
      expect(run.exitCode, run.stdout).toBe(exitCode);
      const { error } = JSON.parse(run.stdout.trim().split('\n').at(-1)!) as Failure;
      expect(error).toMatchObject({ id, exitCode });
      expect(error.message).toContain(`${registry.host}/nats:`);
      expect(error.fix).toContain(fix);
    },
  );

  test('up pulls what is missing, tells bytes and time left, and runs it', async () => {
    const run = await up();
    expect(run.exitCode, run.stdout).toBe(0);
    const events = run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; [field: string]: unknown });
    const halfway = events.filter(
      ({ type, currentBytes, totalBytes }) =>
        type === 'pulling' &&
        (currentBytes as number) > 0 &&
        (currentBytes as number) < (totalBytes as number),
    );
    expect(halfway.length).toBeGreaterThan(0);
    expect(halfway[0]!.etaSeconds).toBeGreaterThanOrEqual(0);
    expect(halfway[0]!.totalBytes).toBeGreaterThan(5_000_000);
    expect(events.find(({ type }) => type === 'pulled')!.image).toContain(`${registry.host}/nats:`);
    const again = await up();
    expect(again.exitCode, again.stdout).toBe(0);
    expect(again.stdout).not.toContain('"pulling"');
  });

  test('doctor asks the registry with --deep or by name, and says what a pull would end with', async () => {
    expect(await doctor(['registry'])).toMatchObject({ status: 'ok', message: '1 images could be pulled' });
    for (const [mood, id] of [
      ['denied', 'image_denied'],
      ['limited', 'image_rate_limited'],
      ['missing', 'image_not_found'],
      ['foreign', 'image_platform'],
    ] as [RegistryMood, string][]) {
      registry.mood = mood;
      const found = await doctor(['registry']);
      expect(found).toMatchObject({
        status: 'failed',
        message: expect.stringContaining(`${registry.host}/nats:`),
      });
      expect(found.evidence![0]).toContain(id);
    }
  });

  test('doctor --fix pulls images that are missing', async () => {
    await stack.run(['down']);
    removeImages();
    expect(await doctor(['images'])).toMatchObject({ status: 'failed' });
    expect(await doctor(['images', '--fix', '--yes'])).toMatchObject({ status: 'ok', repaired: 'yes' });
  });
});
