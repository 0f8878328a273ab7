import type Docker from 'dockerode';
import { CliError, EXIT } from '../../cli-error.ts';
import type { Component } from '../../components/component.ts';

type Inspected = Docker.ContainerInspectInfo;

const OUT_OF_MEMORY_EXIT = 137;

/** Why a container is not running, in words. */
export function endReason({ State, HostConfig }: Inspected): string {
  if (State.OOMKilled) return `it ran out of memory (limit ${memory(HostConfig.Memory)})`;
  if (State.Error) return State.Error;
  if (State.ExitCode === OUT_OF_MEMORY_EXIT) return 'it was killed (exit code 137)';
  return `it ended with exit code ${State.ExitCode}`;
}

/** What the image's own health check said last; older words than the start do not count. */
export function healthWords({ State }: Inspected): string | null {
  const last = State.Health?.Log?.at(-1);
  if (!last || last.ExitCode === 0 || Date.parse(String(last.End)) < Date.parse(State.StartedAt)) return null;
  return last.Output.trim().slice(0, 300) || `its health check ended with ${last.ExitCode}`;
}

export function endedContainer(component: Component, container: Inspected, lines: string[]): CliError {
  const known = component.explain?.(lines);
  const why = known && !container.State.OOMKilled ? known.why : endReason(container);
  return new CliError(
    `${component.name}_ended`,
    EXIT.serviceUnavailable,
    `${component.title} ended while starting: ${why}.`,
    {
      evidence: lines,
      fix: container.State.OOMKilled
        ? `Raise mem_limit of ${component.name} in infra/compose/compose.yaml, or give the engine more memory.`
        : (known?.fix ?? `See all of it with: batchsender logs ${component.name}`),
    },
  );
}

export function notReadyContainer(
  component: Component,
  container: Inspected,
  lines: string[],
  answer: string,
): CliError {
  const health = healthWords(container);
  const known = component.explain?.(lines);
  return new CliError(
    `${component.name}_not_ready`,
    EXIT.notReady,
    `${component.title} was not ready within ${component.readyWithinMs / 1000} s${known ? `: ${known.why}` : ''}. Last answer: ${answer}.${health ? ` Its health check says: ${health}.` : ''}`,
    {
      evidence: lines,
      fix: known?.fix ?? `It is left running for a look: batchsender logs ${component.name}`,
    },
  );
}

function memory(bytes: number | undefined): string {
  return bytes ? `${Math.round(bytes / 1024 / 1024)} MiB` : 'the engine’s';
}
