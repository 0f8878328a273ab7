import { CliError, EXIT } from '../../cli-error.ts';
import { checkEmbeddedData, postgres } from '../../components/postgres.ts';
import { setPassword } from '../../runtimes/docker/postgres-password.ts';
import { secretHash } from '../../runtimes/docker/volumes.ts';
import { type Check, failed, ok, type Repair, repairOf, skipped } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

/** "invalid_password" in PostgreSQL. */
const WRONG_PASSWORD = '28P01';

export const postgresData: Check = {
  id: 'postgres-data',
  category: 'stack',
  severity: 'critical',
  title: 'whether PostgreSQL’s data is of the version that runs, and knows this stack’s password',
  exitCode: EXIT.dataMismatch,
  async detect(facts) {
    const entry = facts.plan.entries.find(({ component }) => component.name === 'postgres')!;
    if (entry.presence.present !== true) return skipped('PostgreSQL is not run by this stack');
    if (!facts.started) return skipped('not started yet');
    const misfit = await misfitOf(facts);
    if (misfit?.id === 'postgres_other_major') return failed(misfit.message, misfit.fix!);
    try {
      await postgres.probe(facts.plan.context(postgres));
      return ok('the version fits and the password is accepted');
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      if (code !== WRONG_PASSWORD) {
        // Not asked by a server that does not run, but its volume may tell.
        if (misfit) return failed(misfit.message, misfit.fix!);
        return skipped(`PostgreSQL does not answer: ${message || code}`);
      }
      return failed(
        'PostgreSQL runs, and refuses this stack’s password: its data was made with another one.',
        facts.usesDocker
          ? 'Give it this stack’s, data is kept: batchsender up --reset-password. Or put the old secrets.json back.'
          : `Put the old ${facts.stack.dir}/secrets.json back, or start anew with: batchsender down --volumes`,
        { repair: facts.usesDocker ? passwordRepair(facts) : undefined },
      );
    }
  },
};

/** What `up` would refuse the data for. */
async function misfitOf(facts: DoctorFacts): Promise<CliError | null> {
  const context = facts.plan.context(postgres);
  try {
    if (facts.usesDocker) await (await facts.runtimes()).docker!.checkPostgresVolume(postgres, context);
    else checkEmbeddedData(context);
    return null;
  } catch (error) {
    if (error instanceof CliError && error.id.startsWith('postgres_other_')) return error;
    throw error;
  }
}

function passwordRepair(facts: DoctorFacts): Repair {
  const title = 'give the data this stack’s password (it is kept as it is)';
  return repairOf(facts.stack, title, async () => {
    const { postgresPassword } = facts.stack.secrets;
    const { docker } = await facts.runtimes();
    const container = await docker!.inspect(postgres, facts.stack);
    const engine = docker!.engine.docker;
    await setPassword(engine, engine.getContainer(container!.Id), postgresPassword);
    // The volume's label names the old one for ever; this says that it may.
    facts.stack.state.resetPassword = secretHash(postgresPassword);
    facts.stack.save();
  });
}
