import type { Database } from '../../db/database.ts'

const lookMilliseconds = 100

/**
 * Waits for work on a slot that sleeps, such as moving its memory out of RAM, which can take seconds. False as soon as
 * somebody needs the slot: the driver cuts the work short when it resumes the machine.
 */
export async function unlessNeeded(
  database: Database,
  slotId: string,
  work: Promise<boolean>,
): Promise<boolean> {
  let over = false
  const needed = async (): Promise<boolean> => {
    while (!over) {
      await new Promise((done) => setTimeout(done, lookMilliseconds))
      const slot = await database.asSystem((trx) =>
        trx.selectFrom('slots').select('wanted').where('id', '=', slotId).executeTakeFirst(),
      )
      if (slot?.wanted !== 'suspended') return false
    }
    return true
  }
  try {
    return await Promise.race([work, needed()])
  } finally {
    over = true
    // Nobody waits for what is left of it.
    work.catch(() => undefined)
  }
}
