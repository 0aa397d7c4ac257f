/** Hands in one item; resolves with what came of it once its batch is done. */
export type Batched<T, R> = (item: T) => Promise<R>

interface Waiting<T, R> {
  item: T
  resolve(result: R): void
  reject(error: unknown): void
}

/** Keeps a statement's parameters far below PostgreSQL's limit of 65,535. */
const itemsMax = 500

/**
 * Lets many callers share one piece of work, usually a transaction: what comes while it is under way goes together into
 * the next. One call alone waits for nothing; a thousand at once take a handful of transactions and one connection. When
 * a batch fails, its items are done one by one, so that only those that are to blame fail; unless `isNobodysFault` says of
 * the error that they all would. `work` answers each item, in their order.
 */
export function createBatched<T, R>(
  work: (items: T[]) => Promise<R[]>,
  isNobodysFault: (error: unknown) => boolean = () => false,
): Batched<T, R> {
  const waiting: Waiting<T, R>[] = []
  let running = false

  const runAlone = async (one: Waiting<T, R>): Promise<void> => {
    try {
      const [result] = await work([one.item])
      one.resolve(result as R)
    } catch (error) {
      one.reject(error)
    }
  }

  const run = async (): Promise<void> => {
    running = true
    for (let batch = waiting.splice(0, itemsMax); batch.length > 0; batch = waiting.splice(0, itemsMax))
      try {
        const results = await work(batch.map(({ item }) => item))
        for (const [index, { resolve }] of batch.entries()) resolve(results[index] as R)
      } catch (error) {
        if (batch.length === 1 || isNobodysFault(error)) for (const { reject } of batch) reject(error)
        else for (const one of batch) await runAlone(one)
      }
    running = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!running) void run()
    })
}

/**
 * Batches at the same time: while one waits for the disk, the other is made. More would only make each smaller
 * (`bench/ledger.ts`).
 */
const lanesCount = 2

/** The same for items that belong to somebody: one owner's always take the same lane, so that none waits for itself. */
export function createLanes<T, R>(
  ownerIdOf: (item: T) => string,
  work: (items: T[]) => Promise<R[]>,
  isNobodysFault?: (error: unknown) => boolean,
): Batched<T, R> {
  const lanes = Array.from({ length: lanesCount }, () => createBatched(work, isNobodysFault))
  return (item) => (lanes[laneOf(ownerIdOf(item))] as Batched<T, R>)(item)
}

/** Ids end in random digits. */
function laneOf(id: string): number {
  return Number.parseInt(id.slice(-4), 16) % lanesCount || 0
}
