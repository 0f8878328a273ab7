import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { EXIT } from '../../cli-error.ts';
import { findProgram } from '../../components/programs.ts';
import { type Check, failed, ok } from '../check.ts';

/** Unix socket paths may not be longer (sun_path); ours are TCP, tools that are given the folder may differ. */
const LONG_PATH = 180;

export const platform: Check = {
  id: 'platform',
  category: 'host',
  severity: 'warning',
  title: 'Windows Subsystem for Linux, snap, and paths that tools trip over',
  exitCode: EXIT.limits,
  preflight: true,
  async detect(facts) {
    const release = existsSync('/proc/version') ? readFileSync('/proc/version', 'utf8') : '';
    const wsl = /microsoft/i.test(release);
    if (wsl && facts.stack.dir.startsWith('/mnt/'))
      return failed(
        `The checkout is on a Windows drive (${facts.stack.dir}): slow, and without Unix permissions.`,
        'Clone it below your Linux home folder, or set BATCHSENDER_STATE_DIR to a folder there.',
      );
    const docker = findProgram(['docker'], facts.env);
    if (docker && realpathSync(docker.path).includes('/snap/'))
      return failed(
        'Docker is a snap: it sees neither /tmp nor folders outside your home.',
        'Files are uploaded, not mounted, so the stack works; for other trouble install docker.io or Docker CE.',
      );
    if (facts.stack.dir.length > LONG_PATH)
      return failed(
        `The path of the state is ${facts.stack.dir.length} characters long (${facts.stack.dir}).`,
        'Set BATCHSENDER_STATE_DIR to a short one.',
      );
    return ok(`${process.platform}${wsl ? ' (WSL)' : ''}`);
  },
};
