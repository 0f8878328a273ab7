import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { CliError, EXIT } from '../../cli-error.ts';
import type { Component, ComponentContext } from '../../components/component.ts';
import { otherPassword, secretHash, volumeName } from './volumes.ts';

/** "invalid_password" in PostgreSQL. */
const WRONG_PASSWORD = '28P01';
const POLL_MS = 150;
const USER = 'batchsender';

/**
 * Waits until the server judges a password, and deals with a volume that was made with another one: with
 * --reset-password it gets this stack's, through the local connections that the image trusts; data is kept.
 *
 * @throws CliError `postgres_other_password`
 */
export async function repairPassword(
  docker: Docker,
  container: Docker.Container,
  component: Component,
  context: ComponentContext,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + component.readyWithinMs;
  while (Date.now() < deadline && !signal.aborted) {
    const code = await component.probe(context).then(
      () => null,
      (error: { code?: string }) => error.code ?? 'unknown',
    );
    if (code === null) return;
    if (code === WRONG_PASSWORD) {
      const { stack } = context;
      const { secrets, state } = stack;
      if (state.resetPassword !== secretHash(secrets.postgresPassword))
        throw otherPassword(volumeName(stack, 'postgres'));
      await setPassword(docker, container, secrets.postgresPassword);
      return;
    }
    const { State } = await container.inspect();
    if (!State.Running) return;
    await sleep(POLL_MS);
  }
}

/** Through the local connections that the image trusts; data is kept. @throws CliError `postgres_password_not_reset` */
export async function setPassword(
  docker: Docker,
  container: Docker.Container,
  password: string,
): Promise<void> {
  // The password is made of hexadecimal digits: nothing to escape.
  const command = ['psql', '-U', USER, '-d', 'postgres', '-v', 'ON_ERROR_STOP=1', '-qc'];
  const exec = await container.exec({
    Cmd: [...command, `ALTER ROLE ${USER} PASSWORD '${password}'`],
    User: 'postgres',
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({});
  let text = '';
  docker.modem.demuxStream(
    stream,
    { write: (chunk: Buffer) => (text += chunk) } as never,
    { write: (chunk: Buffer) => (text += chunk) } as never,
  );
  await new Promise((resolve) => stream.on('end', resolve));
  const { ExitCode } = await exec.inspect();
  if (ExitCode === 0) return;
  throw new CliError(
    'postgres_password_not_reset',
    EXIT.dataMismatch,
    'The password of the volume could not be set.',
    {
      evidence: text.trim().split('\n'),
      fix: 'The lines above say why.',
    },
  );
}
