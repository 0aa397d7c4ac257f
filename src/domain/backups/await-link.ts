import type { Database } from '../../db/database.ts'

const pollMs = 500

/**
 * Resolves once the instance's machine can be asked for something, at once if it does not run, and at the latest after
 * `secondsMax`: after a restart of the control plane supervisors take a moment to dial again.
 */
export async function awaitLink(database: Database, instanceId: string, secondsMax: number): Promise<void> {
  const until = performance.now() + secondsMax * 1000
  while (performance.now() < until) {
    const slot = await database.asSystem((trx) =>
      trx
        .selectFrom('slots')
        .select('link_connected_at')
        .where('instance_id', '=', instanceId)
        .where('phase', '=', 'running')
        .where('wanted', '=', 'running')
        .executeTakeFirst(),
    )
    if (slot === undefined || slot.link_connected_at !== null) return
    await new Promise((done) => setTimeout(done, pollMs))
  }
}
