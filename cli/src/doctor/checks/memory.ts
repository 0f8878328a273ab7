import { freemem, totalmem } from 'node:os';
import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

const MIB = 1024 * 1024;
/** PostgreSQL, ClickHouse, worker and dashboard, measured idle: about 700 MiB. */
const NEEDED_MIB = 1024;
/** The containers' limits of compose.yaml that are really used at rest. */
const NEEDED_DOCKER_MIB = 2048;

export const memory: Check = {
  id: 'memory',
  category: 'host',
  severity: 'critical',
  title: 'memory of this machine, of its control group, and of the engine',
  exitCode: EXIT.outOfMemory,
  preflight: true,
  async detect(facts) {
    const limitMib = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) / MIB;
    if (limitMib < NEEDED_MIB)
      return failed(
        `${Math.round(limitMib)} MiB of memory are allowed here; the stack needs ${NEEDED_MIB}.`,
        'Give the machine or its container more, or leave parts out: batchsender up --without clickhouse,prometheus',
      );
    if (facts.usesDocker) {
      const { MemTotal } = (await facts.engineInfo()) ?? {};
      if (MemTotal !== undefined && MemTotal / MIB < NEEDED_DOCKER_MIB)
        return failed(
          `The engine has ${Math.round(MemTotal / MIB)} MiB; the containers need ${NEEDED_DOCKER_MIB}.`,
          'Give its virtual machine more memory, or leave parts out: batchsender up --without clickhouse',
        );
    }
    return ok(`${(limitMib / 1024).toFixed(1)} GiB, ${(freemem() / MIB / 1024).toFixed(1)} GiB free`);
  },
};
