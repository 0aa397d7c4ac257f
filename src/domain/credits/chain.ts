import { hash } from 'node:crypto'
import type { Transfer } from './book.ts'

/** What stands before the first transfer of every chain. */
export const chainStart = Buffer.alloc(32)

/** SHA-256 over the hash of the transfer before it and every column of its own, in a form that has one reading only. */
export function hashTransfer(previous: Buffer, transfer: Omit<Transfer, 'hash'>): Buffer {
  return hash(
    'sha256',
    JSON.stringify([
      previous.toString('hex'),
      transfer.organization_id,
      transfer.sequence,
      transfer.at.toISOString(),
      transfer.key,
      transfer.leg,
      transfer.request_hash.toString('hex'),
      transfer.operation,
      transfer.debit,
      transfer.credit,
      transfer.amount,
      transfer.reservation_id,
      transfer.reference,
      transfer.note,
      transfer.actor_user_id,
    ]),
    'buffer',
  )
}
