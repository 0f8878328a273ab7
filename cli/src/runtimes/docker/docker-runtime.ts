import type Docker from 'dockerode';
import { CliError, EXIT } from '../../cli-error.ts';
import type { Component, ComponentContext, ComponentName } from '../../components/component.ts';
import { ownerOf } from '../../stack/port-owner.ts';
import { describeOwner } from '../../stack/ports.ts';
import { answersNow, waitReady } from '../../stack/readiness.ts';
import { type ComponentRuntime, NOT_THERE, type Observed, type StartResult } from '../../stack/runtime.ts';
import type { Stack } from '../../stack/stack.ts';
import { putFiles } from './archive.ts';
import { followContainer, tailContainer } from './container-logs.ts';
import { type ContainerSpec, containerSpec } from './container-spec.ts';
import type { Engine } from './engine.ts';
import { endedContainer, notReadyContainer } from './failure.ts';
import { imageId } from './images.ts';
import { composeContainerLabels, LABEL, projectOf } from './labels.ts';
import { ensureNetwork, type StackNetwork } from './network.ts';
import { conflictingPort, containerOnPort, shortId } from './port-conflict.ts';
import { repairPassword } from './postgres-password.ts';
import { removeContainer } from './removal.ts';
import { filesFor, serviceFor } from './services.ts';
import { checkExistingVolume, ensureVolume, type VolumeCheck, volumeName } from './volumes.ts';

const EVIDENCE_LINES = 20;

type Inspected = Docker.ContainerInspectInfo;

/** Components as containers, by the Compose file, through the engine's API. */
export class DockerRuntime implements ComponentRuntime {
  readonly name = 'docker';
  readonly engine: Engine;
  private readonly docker: Docker;
  private readonly inContainer: (component: ComponentName) => boolean;
  private network: StackNetwork | null = null;
  /**
   * Volumes made by this run whose component never got ready. They hold nothing but half an initialisation, which
   * the images would take for a whole one: they go when the component is stopped.
   */
  private readonly unproven = new Map<ComponentName, string[]>();

  /** @param inContainer whether a component of the stack is a container */
  constructor(engine: Engine, inContainer: (component: ComponentName) => boolean) {
    this.engine = engine;
    this.docker = engine.docker;
    this.inContainer = inContainer;
  }

  /** Before the first start: the network, and where host processes can be reached from it. */
  async prepare(stack: Stack): Promise<void> {
    this.network = await ensureNetwork(this.docker, stack);
    stack.state.usedDocker = true;
    stack.state.metricsHost = this.network.hostAddress;
    stack.save();
  }

  async isRunning(component: Component, context: ComponentContext): Promise<boolean> {
    const container = await this.inspect(component, context.stack);
    if (!container?.State.Running) return false;
    const spec = await this.specOf(component, context);
    return spec?.hash === container.Config.Labels[LABEL.spec] && (await answersNow(component, context));
  }

  async ensureRunning(
    component: Component,
    context: ComponentContext,
    signal: AbortSignal,
  ): Promise<StartResult> {
    const { stack } = context;
    const spec = await this.specOf(component, context);
    if (!spec) throw imageMissing(component, serviceFor(component, context).image);
    const before = await this.inspect(component, stack);
    const asMeant = before?.Config.Labels[LABEL.spec] === spec.hash;
    if (asMeant && before!.State.Running && (await answersNow(component, context))) return 'running';
    await this.prepareVolumes(component, context);
    signal.throwIfAborted();
    // One that is stopped and as it should be is started again: after a reboot all of them are.
    const adopted = asMeant && !before!.State.Running ? this.docker.getContainer(before!.Id) : null;
    if (before && !adopted) await removeContainer(this.docker, before.Id);
    signal.throwIfAborted();
    const container = adopted
      ? await this.startContainer(component, adopted)
      : await this.createAndStart(component, stack, spec);
    await this.ready(component, context, container, signal);
    return before ? 'restarted' : 'started';
  }

  async refresh(component: Component, context: ComponentContext): Promise<void> {
    const spec = await this.specOf(component, context);
    const files = spec?.files.filter((file) => file.volatile) ?? [];
    if (files.length > 0) await putFiles(this.docker.getContainer(spec!.name), files);
  }

  async stop(component: Component, stack: Stack): Promise<boolean> {
    const container = await this.inspect(component, stack);
    if (!container) return true;
    const halfMade = this.unproven.get(component.name) ?? [];
    await removeContainer(this.docker, container.Id, halfMade.length > 0 ? 0 : undefined);
    for (const name of halfMade) await this.docker.getVolume(name).remove({ force: true });
    this.unproven.delete(component.name);
    return (await this.inspect(component, stack)) === null;
  }

  async observe(component: Component, stack: Stack): Promise<Observed> {
    const container = await this.inspect(component, stack);
    if (!container?.State.Running) return NOT_THERE;
    return {
      alive: true,
      pid: container.State.Pid || null,
      container: shortId(container.Id),
      since: container.State.StartedAt,
    };
  }

  async tail(component: Component, stack: Stack, lines: number): Promise<string[] | null> {
    const container = await this.inspect(component, stack);
    return container ? tailContainer(this.docker.getContainer(container.Id), lines) : null;
  }

  async follow(
    component: Component,
    stack: Stack,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const container = await this.inspect(component, stack);
    if (container) await followContainer(this.docker, this.docker.getContainer(container.Id), onLine, signal);
  }

  /** The container, whatever became of it; null when there is none. @throws CliError when its name is not ours */
  async inspect(component: Component, stack: Stack): Promise<Inspected | null> {
    try {
      const container = await this.docker.getContainer(nameOf(component.name, stack)).inspect();
      if (container.Config.Labels?.[LABEL.stack] === stack.id) return container;
      throw new CliError(
        'container_name_taken',
        EXIT.leftovers,
        `There is a container ${nameOf(component.name, stack)} that does not belong to this stack.`,
        { fix: `Remove or rename it: docker rm -f ${nameOf(component.name, stack)}` },
      );
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode === 404) return null;
      throw error;
    }
  }

  /** Null when the image is not there. */
  private async specOf(component: Component, context: ComponentContext): Promise<ContainerSpec | null> {
    const { stack } = context;
    const service = serviceFor(component, context);
    const id = await imageId(this.docker, service.image);
    if (id === null) return null;
    const hostAddress = stack.state.metricsHost ?? 'host.docker.internal';
    return containerSpec(service, filesFor(service, context, this.inContainer, hostAddress), {
      name: nameOf(component.name, stack),
      networkId: this.network?.id ?? '',
      aliases: [component.name],
      volumeName: (source) => volumeName(stack, source),
      imageId: id,
    });
  }

  private async prepareVolumes(component: Component, context: ComponentContext): Promise<void> {
    const { stack } = context;
    const service = serviceFor(component, context);
    const check = component.name === 'postgres' ? await this.postgresCheck(stack, service.image) : null;
    for (const { source } of service.volumes) {
      const { name, createdAt, fresh } = await ensureVolume(this.docker, stack, source, check);
      if (fresh) this.unproven.set(component.name, [...(this.unproven.get(component.name) ?? []), name]);
      if (component.name === 'postgres') stack.noteData(`docker ${createdAt}`);
    }
  }

  /** Whether PostgreSQL's volume, if there is one, fits its image and password. @throws CliError as up would */
  async checkPostgresVolume(component: Component, context: ComponentContext): Promise<void> {
    const { image, volumes } = serviceFor(component, context);
    if ((await imageId(this.docker, image)) === null) return;
    const check = await this.postgresCheck(context.stack, image);
    for (const { source } of volumes) await checkExistingVolume(this.docker, context.stack, source, check);
  }

  private async postgresCheck(stack: Stack, image: string): Promise<VolumeCheck> {
    const { Config } = await this.docker.getImage(image).inspect();
    const major = Config.Env?.find((entry) => entry.startsWith('PG_MAJOR='))?.split('=')[1] ?? null;
    return { password: stack.secrets.postgresPassword, major };
  }

  private async create(component: Component, stack: Stack, spec: ContainerSpec): Promise<Docker.Container> {
    const container = await this.docker.createContainer({
      ...spec.options,
      Labels: composeContainerLabels(stack, component.name, spec.hash),
    });
    await putFiles(container, spec.files);
    return container;
  }

  /** Engines without the right to raise limits (rootless, in a container) start it with those they have. */
  private async createAndStart(
    component: Component,
    stack: Stack,
    spec: ContainerSpec,
  ): Promise<Docker.Container> {
    try {
      return await this.startContainer(component, await this.create(component, stack, spec));
    } catch (error) {
      const { evidence = [] } = error as CliError;
      const { HostConfig } = spec.options;
      if (!HostConfig?.Ulimits?.length || !evidence.some((line) => /setting rlimit/.test(line))) throw error;
      const options = { ...spec.options, HostConfig: { ...HostConfig, Ulimits: [] } };
      return this.startContainer(component, await this.create(component, stack, { ...spec, options }));
    }
  }

  /** After a port conflict the container would stay and take the name: it goes. */
  private async startContainer(component: Component, container: Docker.Container): Promise<Docker.Container> {
    try {
      await container.start();
      return container;
    } catch (error) {
      const { statusCode, message } = error as Error & { statusCode?: number };
      if (statusCode === 304) return container;
      await container.remove({ force: true }).catch(() => {});
      const conflict = conflictingPort(message);
      if (conflict) throw await this.portTaken(component, conflict.port);
      throw new CliError(
        `${component.name}_not_started`,
        EXIT.dockerFailed,
        `The engine could not start ${component.title}.`,
        { evidence: [message], fix: 'Its answer is above.', cause: error },
      );
    }
  }

  private async portTaken(component: Component, port: number): Promise<CliError> {
    const holder = await containerOnPort(this.docker, port);
    const owner = ownerOf(port);
    const by = holder ?? (owner ? describeOwner(owner) : 'another program');
    return new CliError(
      'port_taken',
      EXIT.portTaken,
      `Port ${port} for ${component.name} is taken by ${by}.`,
      {
        fix: `Stop it, or run "batchsender up" again: it takes another port. Or name one: --port ${component.name}=N`,
      },
    );
  }

  private async ready(
    component: Component,
    context: ComponentContext,
    container: Docker.Container,
    signal: AbortSignal,
  ): Promise<void> {
    const lines = () => tailContainer(container, EVIDENCE_LINES);
    if (component.name === 'postgres')
      await repairPassword(this.docker, container, component, context, signal);
    await waitReady(component, context, signal, {
      ended: async () => {
        const now = await container.inspect();
        return now.State.Running ? null : endedContainer(component, now, await lines());
      },
      late: async (answer) => notReadyContainer(component, await container.inspect(), await lines(), answer),
    });
    this.unproven.delete(component.name);
  }
}

export function nameOf(component: string, stack: Stack): string {
  return `${projectOf(stack)}-${component}`;
}

function imageMissing(component: Component, image: string): CliError {
  return new CliError(
    'image_not_there',
    EXIT.imageNotFound,
    `The image ${image} of ${component.title} is not there.`,
    {
      fix: 'Run: batchsender up, which pulls or builds it.',
    },
  );
}
