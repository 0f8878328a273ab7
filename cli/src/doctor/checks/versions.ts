import { EXIT } from '../../cli-error.ts';
import { VERSION } from '../../version.ts';
import { type Check, failed, ok } from '../check.ts';

/** After an update, or with other settings, what runs goes on as it was until it is started again. */
export const versions: Check = {
  id: 'versions',
  category: 'stack',
  severity: 'warning',
  title: 'whether what runs is of this version, this build and these settings',
  exitCode: EXIT.dataMismatch,
  needs: 'worker',
  async detect(facts) {
    const { version } = (await (await fetch(`${facts.workerUrl()}/health`)).json()) as { version: string };
    if (version !== VERSION)
      return failed(
        `The command is ${VERSION}, the worker that runs is ${version}.`,
        'batchsender up starts it again.',
      );
    const outdated = (await facts.components()).filter((one) => one.outdated);
    if (outdated.length === 0) return ok(`${VERSION}, and everything runs as it was built and set`);
    return failed(
      `${outdated.map(({ component }) => component.title).join(', ')} ${outdated.length === 1 ? 'runs' : 'run'} an older build, or with other settings.`,
      'batchsender up starts what changed again, and leaves the rest.',
    );
  },
};
