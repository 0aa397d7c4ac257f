import type { Database } from '../db/database.ts'

/** Where the control plane that holds a slot's link is reached; undefined when this one holds it, or nobody does. */
export async function findHolderUrl(
  { database, nodeId }: { database: Database; nodeId: string },
  slotId: string,
): Promise<string | undefined> {
  const holder = await database.asSystem((trx) =>
    trx
      .selectFrom('slots')
      .innerJoin('nodes', 'nodes.id', 'slots.link_node_id')
      .select('nodes.internal_url')
      .where('slots.id', '=', slotId)
      .where('nodes.id', '<>', nodeId)
      .executeTakeFirst(),
  )
  return holder?.internal_url
}
