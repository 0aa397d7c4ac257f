import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'

/** OpenClaw renews its owner lease every 30 s; one that was not renewed for this long has no living owner. */
const renewalMissedMs = 75_000

const ownerSchema = z.object({ owner: z.object({ pid: z.number(), host: z.string() }) })

/**
 * Removes the lease of a gateway that was killed, when that is proven, so that the next boot need not wait five minutes
 * for it to run out ("Another Gateway owner lease is still active for this state directory").
 *
 * OpenClaw itself takes over from a dead process on the same host. It cannot judge a lease from another host name,
 * which is what a container that was made anew over the same volume looks like; nor can a pid prove anything there, so
 * the proof is that nobody renewed it. Call only while no OpenClaw of this slot runs. Answers how long to wait before
 * asking again, or 0 when nothing stands in the way.
 */
export function clearStaleOwnerLease(stateDirectory: string, now: number): number {
  const path = join(stateDirectory, 'state', 'openclaw.sqlite')
  if (!existsSync(path)) return 0
  const database = new DatabaseSync(path, { timeout: 2_000 })
  try {
    const row = database
      .prepare(
        "select owner, heartbeat_at, expires_at, payload_json from state_leases where scope = 'gateway-owner' and lease_key = 'global'",
      )
      .get()
    const payload = ownerSchema.safeParse(JSON.parse(String(row?.payload_json ?? 'null')))
    const expiresAt = Number(row?.expires_at ?? 0)
    // Not there, run out, or of this host: OpenClaw knows what to do.
    if (!row || expiresAt <= now || (payload.success && payload.data.owner.host === hostname())) return 0
    const waitMs = Number(row.heartbeat_at) + renewalMissedMs - now
    if (waitMs > 0) return waitMs
    database
      .prepare(
        "delete from state_leases where scope = 'gateway-owner' and lease_key = 'global' and owner = ? and heartbeat_at = ?",
      )
      .run(row.owner ?? null, row.heartbeat_at ?? null)
    return 0
  } catch {
    // A layout of another version, or a database that OpenClaw has to repair first: its own boot says what is wrong.
    return 0
  } finally {
    database.close()
  }
}
