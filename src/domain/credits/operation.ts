import { hash } from 'node:crypto'
import type { ReservationPurpose } from '../../db/tables/credits.ts'

interface Request {
  organizationId: string
  /** Idempotency key, unique within the organization: the same operation again gives the same result, another one is refused. */
  key: string
  /** What it is about outside of the ledger, for example a payment's id. */
  reference?: string
  /** For the statement: why, in words. */
  note?: string
  /** The person who did it; left out for what Reef does by itself. */
  actorUserId?: string
}

/**
 * What can be done with credits. Amounts are whole micro-credits, never negative. One that moves nothing (zero, or a freeze
 * of what is not there) leaves no trace, its key neither.
 */
export type Operation = Request &
  (
    | { kind: 'grant' | 'purchase'; amount: number }
    /** Money went back: takes the credits that were paid for, as far as they are there, and writes off the rest. */
    | { kind: 'refund'; amount: number }
    /** A payment is disputed: holds back what is available, at most this much. */
    | { kind: 'freeze'; amount: number }
    /** The dispute was won: what was frozen is available again. */
    | { kind: 'unfreeze'; amount: number }
    /** The dispute was lost: takes `frozen` of what was frozen, and the rest of `amount` like a refund. */
    | { kind: 'forfeit'; amount: number; frozen: number }
    /**
     * Holds credits for something that is about to cost at most `amount`, or adds to what is held for it. With less
     * available than `amount` but at least `atLeast`, holds what there is; below that it is refused.
     */
    | {
        kind: 'reserve'
        reservationId: string
        purpose: ReservationPurpose
        amount: number
        atLeast: number
        expiresAt: Date
      }
    /**
     * Spends what was used, from what is held, then from what is available, and writes off the rest. `close` gives back
     * what is still held; without it the reservation goes on.
     */
    | { kind: 'settle'; reservationId: string; amount: number; close: boolean }
    /** Gives back what is held beyond its time; does nothing to a reservation that was settled or prolonged meanwhile. */
    | { kind: 'expire'; reservationId: string; amount: 0 }
  )

/** SHA-256 over everything that makes two requests the same; when a reservation expires is not part of it. */
export function requestHash(operation: Operation): Buffer {
  const { organizationId, kind, reference, note, actorUserId } = operation
  const reservation = 'reservationId' in operation ? operation.reservationId : null
  const details =
    operation.kind === 'reserve'
      ? [operation.purpose, operation.atLeast]
      : operation.kind === 'settle'
        ? [operation.close]
        : operation.kind === 'forfeit'
          ? [operation.frozen]
          : []
  return hash(
    'sha256',
    JSON.stringify([
      organizationId,
      kind,
      operation.amount,
      reservation,
      reference ?? null,
      note ?? null,
      actorUserId ?? null,
      ...details,
    ]),
    'buffer',
  )
}
