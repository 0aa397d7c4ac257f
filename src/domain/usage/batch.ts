/** Writes one item; resolves when it is written. */
export type BatchedWrite<T> = (item: T) => Promise<void>

interface Waiting<T> {
  item: T
  resolve(): void
  reject(error: unknown): void
}

/** Keeps a statement's parameters far below PostgreSQL's limit of 65,535. */
const itemsMax = 500

/**
 * Lets many callers share one write: what comes while a write is under way goes together into the next. One call alone
 * waits for nothing; a thousand at once take a handful of transactions and one connection. When a batch fails, its
 * items are written one by one, so that only those that are to blame fail.
 */
export function createBatchedWrite<T>(write: (items: T[]) => Promise<void>): BatchedWrite<T> {
  const waiting: Waiting<T>[] = []
  let running = false

  const run = async (): Promise<void> => {
    running = true
    for (let batch = waiting.splice(0, itemsMax); batch.length > 0; batch = waiting.splice(0, itemsMax))
      try {
        await write(batch.map(({ item }) => item))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        if (batch.length === 1) batch[0]?.reject(error)
        else for (const one of batch) await write([one.item]).then(one.resolve, one.reject)
      }
    running = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!running) void run()
    })
}
