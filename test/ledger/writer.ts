import { openDatabase } from '../../src/db/database.ts'
import { createLedger } from '../../src/domain/credits/ledger.ts'
import type { Operation } from '../../src/domain/credits/operation.ts'
import { ReefError } from '../../src/errors.ts'
import { operationOf, racedOperation } from './operations.ts'

/**
 * A control plane's worth of ledger in a process of its own, which may be killed at any time.
 * `write URL WRITER FROM TO` does the writer's operations and says after each round how far it is;
 * `race URL KEYS RACERS` does the same operations many times at once and says how many were not done before.
 */
const [mode, url = '', ...numbers] = process.argv.slice(2)
const database = openDatabase({ url, connectionsMax: 4 })
const ledger = createLedger(database)
/** Operations that are under way at the same time. */
const roundSize = 100
const retryMilliseconds = 200

type Done = 'moved' | 'repeated' | 'nothing'

/** As the product does: what cannot be known to be done is done again, with the same key. */
async function post(operation: Operation): Promise<Done> {
  for (;;)
    try {
      const { transfers, replayed } = await ledger.post(operation)
      if (transfers.length === 0) return 'nothing'
      return replayed ? 'repeated' : 'moved'
    } catch (error) {
      if (error instanceof ReefError) return 'nothing'
      if (error instanceof RangeError) throw error
      await new Promise((done) => setTimeout(done, retryMilliseconds))
    }
}

const count = (outcomes: Done[], which: Done) => outcomes.filter((outcome) => outcome === which).length

async function write(writer: number, from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += roundSize) {
    const length = Math.min(roundSize, to - start)
    const outcomes = await Promise.all(Array.from({ length }, (_, n) => post(operationOf(writer, start + n))))
    say({
      next: start + length,
      kept: length - count(outcomes, 'nothing'),
      repeated: count(outcomes, 'repeated'),
    })
  }
}

async function race(keys: number, racers: number): Promise<void> {
  for (let start = 0; start < keys; start += roundSize) {
    const round = Array.from({ length: Math.min(roundSize, keys - start) }, (_, n) =>
      racedOperation(start + n),
    )
    const outcomes = await Promise.all(Array.from({ length: racers }, () => round.map(post)).flat())
    say({
      next: start + round.length,
      fresh: count(outcomes, 'moved'),
      repeated: count(outcomes, 'repeated'),
    })
  }
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const [first = 0, second = 0, third = 0] = numbers.map(Number)
if (mode === 'write') await write(first, second, third)
else await race(first, second)
await database.close()
