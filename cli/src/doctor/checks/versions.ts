import { EXIT } from '../../cli-error.ts';
import { VERSION } from '../../version.ts';
import { type Check, failed, ok } from '../check.ts';

/** After an update, processes of the old version go on until they are started again. */
export const versions: Check = {
  id: 'versions',
  category: 'stack',
  severity: 'warning',
  title: 'version of the command beside that of the services that run',
  exitCode: EXIT.dataMismatch,
  needs: 'worker',
  async detect(facts) {
    const { version } = (await (await fetch(`${facts.workerUrl()}/health`)).json()) as { version: string };
    if (version === VERSION) return ok(VERSION);
    return failed(
      `The command is ${VERSION}, the worker that runs is ${version}.`,
      'Start it again: batchsender down, batchsender up',
    );
  },
};
