import { expect, it } from 'vitest'
import type { AdminPayment } from '../../api/types.ts'
import { disputeText, effectText, moneyDraft, parseMoney, refundObstacle } from './refund-words.ts'

const payment: AdminPayment = {
  id: 'p',
  kind: 'checkout',
  state: 'paid',
  pack: '1000',
  creditsMicros: 1_000_000_000,
  amountCents: 1_000,
  currency: 'usd',
  refundedCents: 0,
  dispute: null,
  receiptUrl: null,
  failure: null,
  createdAt: '2026-11-21T00:00:00.000Z',
  paidAt: '2026-11-21T00:00:00.000Z',
  organizationId: 'o',
  organizationName: 'Guild',
  intentId: 'pi_1',
  leftCents: 1_000,
  unusedCents: 600,
  availableMicros: 600_000_000,
  disputes: [],
}
const dispute: AdminPayment['disputes'][number] = {
  id: 'du_1',
  state: 'open',
  amountCents: 1_000,
  creditsMicros: 1_000_000_000,
  frozenMicros: 600_000_000,
  takenMicros: 0,
  writtenOffMicros: 0,
  reason: 'product_not_received',
  dueAt: null,
  createdAt: '2026-11-21T00:00:00.000Z',
}

it('reads money as people type it, and nothing else', () => {
  const read = ['5', '7.5', '1,234.56', ' 3 ', '0', '0.00', '5.123', '-1', 'all', ''].map(parseMoney)
  expect(read).toEqual([500, 750, 123_456, 300, ...Array.from({ length: 6 }, () => undefined)])
  expect([500, 750, 705].map(moneyDraft)).toEqual(['5', '7.50', '7.05'])
})

it('says which credits are lost and which are written off', () => {
  expect(effectText(payment, 600)).toBe(
    '$6.00 go back to the card. Guild loses 600 credits that it has not used.',
  )
  expect(effectText(payment, 1_000)).toContain(
    'Guild loses 600 credits that it has not used. 400 credits of the refund were used already',
  )
  expect(effectText({ ...payment, availableMicros: 0 }, 100)).toContain('Guild loses no credits. 100 credits')
})

it('says why a payment cannot be refunded', () => {
  expect(refundObstacle(payment, true)).toBeNull()
  expect(refundObstacle(payment, false)).toContain('STRIPE_SECRET_KEY')
  expect(refundObstacle({ ...payment, state: 'open' }, true)).toContain('not paid')
  expect(refundObstacle({ ...payment, leftCents: 0 }, true)).toContain('refunded')
  expect(refundObstacle({ ...payment, disputes: [dispute] }, true)).toContain('dispute')
  expect(refundObstacle({ ...payment, disputes: [{ ...dispute, state: 'won' }] }, true)).toBeNull()
})

it('says what became of the credits of a dispute', () => {
  expect(disputeText(dispute, 'usd')).toBe('Disputed: $10.00 (product not received). 600 credits are frozen.')
  const lost = { ...dispute, state: 'lost', frozenMicros: 0, takenMicros: 600_000_000 } as const
  expect(disputeText({ ...lost, writtenOffMicros: 400_000_000 }, 'usd')).toBe(
    'Dispute lost: $10.00 (product not received). 600 credits were taken, 400 credits are written off.',
  )
})
