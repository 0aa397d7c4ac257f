import { createHash } from 'node:crypto'
import type { Operation } from '../../src/domain/credits/operation.ts'

/** Organizations that all writers share. */
const organizationsCount = 40

function organizationId(number: number): string {
  return uuidOf(`organization ${number}`)
}

/**
 * The `index`th operation of a writer: always the same one, so that a writer that was killed does exactly the same again.
 * Ten of them belong together and to one organization: credits come, are reserved, spent, given back, taken back.
 */
export function operationOf(writer: number, index: number): Operation {
  const cycle = Math.floor(index / 10)
  const random = randomOf(`${writer} ${index}`)
  const common = {
    organizationId: organizationId(Math.floor(randomOf(`${writer} cycle ${cycle}`)() * organizationsCount)),
    key: `${writer}:${index}`,
  }
  const amount = Math.floor(random() * 1_000_000)
  const reservationId = (place: number) => uuidOf(`${writer} reservation ${cycle * 10 + place}`)
  const reserve = (place: number): Operation => ({
    ...common,
    kind: 'reserve',
    reservationId: reservationId(place),
    purpose: 'model_call',
    amount,
    atLeast: Math.floor(amount * random()),
    expiresAt: new Date('2100-01-01T00:00:00Z'),
  })
  const settle = (place: number, close: boolean): Operation => ({
    ...common,
    kind: 'settle',
    reservationId: reservationId(place),
    amount: Math.floor(amount * random() * 1.2),
    close,
  })
  switch (index % 10) {
    case 0:
      return { ...common, kind: 'grant', amount: amount + 1 }
    case 1:
    case 3:
    case 7:
      return reserve(index % 10)
    case 2:
      return settle(1, true)
    case 4:
      return settle(3, false)
    case 5:
      return settle(3, true)
    case 6:
      return { ...common, kind: 'purchase', amount: amount + 1, reference: `payment ${index}` }
    case 8:
      return settle(7, random() < 0.9)
    default:
      return takeBack(common, amount, random())
  }
}

function takeBack(common: { organizationId: string; key: string }, amount: number, which: number): Operation {
  if (which < 0.4) return { ...common, kind: 'refund', amount }
  if (which < 0.7) return { ...common, kind: 'freeze', amount }
  if (which < 0.9) return { ...common, kind: 'unfreeze', amount: Math.floor(amount / 4) }
  return { ...common, kind: 'forfeit', amount, frozen: Math.floor(amount / 8) }
}

/** Of one key that many race for. */
export function racedOperation(key: number): Operation {
  return { kind: 'grant', organizationId: organizationId(key % 7), key: `race:${key}`, amount: key + 1 }
}

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** Numbers from 0 to 1 that the text decides (mulberry32). */
function randomOf(text: string): () => number {
  let state = createHash('sha256').update(text).digest().readUInt32LE()
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
