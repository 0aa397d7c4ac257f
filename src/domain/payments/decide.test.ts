import { describe, expect, it } from 'vitest'
import { decide } from './decide.ts'
import type { DisputeRow, PaymentRecord, PaymentRow, RefundRow } from './payment.ts'
import type { DisputeFacts, PaymentFacts, RefundFacts } from './payments.ts'

const now = new Date('2030-01-02T00:00:00Z')
const earlier = new Date('2030-01-01T00:00:00Z')

const payment = (more: Partial<PaymentRow> = {}): PaymentRow => ({
  id: 'p1',
  organization_id: 'o1',
  kind: 'checkout',
  state: 'open',
  pack: '1000',
  credits: 1_000,
  amount_cents: 100,
  currency: 'usd',
  customer_id: 'cus_1',
  checkout_id: 'cs_1',
  intent_id: null,
  card_id: null,
  receipt_url: null,
  failure_code: null,
  failure_message: null,
  problem: null,
  created_by: null,
  created_at: earlier,
  paid_at: null,
  version: 0,
  look_at: null,
  refreshed_at: null,
  ...more,
})
const record = (more: Partial<PaymentRow> = {}, rest: Partial<PaymentRecord> = {}): PaymentRecord => ({
  payment: payment(more),
  refunds: [],
  disputes: [],
  ...rest,
})
const facts = (more: Partial<PaymentFacts> = {}): PaymentFacts => ({
  state: 'paid',
  checkoutId: 'cs_1',
  intentId: 'pi_1',
  customerId: 'cus_1',
  amountCents: 100,
  currency: 'usd',
  receiptUrl: null,
  failure: null,
  refunds: [],
  disputes: [],
  ...more,
})
const refundFacts = (more: Partial<RefundFacts> = {}): RefundFacts => ({
  refundId: 're_1',
  ownId: null,
  amountCents: 25,
  state: 'made',
  createdAt: earlier,
  ...more,
})
const disputeFacts = (state: DisputeFacts['state']): DisputeFacts => ({
  disputeId: 'du_1',
  amountCents: 100,
  state,
  reason: 'fraudulent',
  dueAt: null,
  createdAt: earlier,
})
const knownDispute = (more: Partial<DisputeRow>): DisputeRow => ({
  dispute_id: 'du_1',
  payment_id: 'p1',
  organization_id: 'o1',
  state: 'open',
  turn: 1,
  amount_cents: 100,
  credits: 1_000,
  frozen: 700,
  taken: 0,
  written_off: 0,
  reason: null,
  due_at: null,
  created_at: earlier,
  updated_at: earlier,
  ...more,
})
const knownRefund = (more: Partial<RefundRow>): RefundRow => ({
  id: 'r1',
  payment_id: 'p1',
  organization_id: 'o1',
  refund_id: 're_1',
  state: 'made',
  turn: 0,
  amount_cents: 25,
  credits: 250,
  taken: 200,
  reason: null,
  requested_by: null,
  created_at: earlier,
  updated_at: earlier,
  ...more,
})

describe('a payment', () => {
  it('gives its credits when it was paid, once', () => {
    const first = decide(record(), facts(), now)
    expect(first.purchase).toMatchObject({ kind: 'purchase', key: 'payment:p1:purchase', amount: 1_000 })
    expect(first.payment).toMatchObject({ state: 'paid', paid_at: now, intent_id: 'pi_1' })
    expect(decide(record({ state: 'paid' }), facts(), now).purchase).toBeNull()
  })

  it('is paid also after it was believed failed or expired, and never unpaid again', () => {
    for (const state of ['failed', 'expired', 'processing'] as const)
      expect(decide(record({ state }), facts(), now).purchase).not.toBeNull()
    expect(decide(record({ state: 'paid' }), facts({ state: 'failed' }), now).payment.state).toBe('paid')
  })

  it.each([
    ['another amount', { amountCents: 99 }],
    ['another currency', { currency: 'eur' }],
    ['another customer', { customerId: 'cus_2' }],
  ])('gives nothing for %s, and says so', (_what, more) => {
    const changes = decide(record(), facts(more), now)
    expect(changes.purchase).toBeNull()
    expect(changes.payment).toMatchObject({ state: 'open', problem: expect.stringContaining('No credits') })
  })

  it('gives nothing back before it was paid', () => {
    const unpaid = facts({ state: 'processing', refunds: [refundFacts()], disputes: [disputeFacts('lost')] })
    expect(decide(record(), unpaid, now)).toMatchObject({ purchase: null, refunds: [], disputes: [] })
  })
})

describe('a refund', () => {
  const paid = { state: 'paid' } as const
  const decideOne = (known: RefundRow | undefined, told: RefundFacts) =>
    decide(record(paid, { refunds: known ? [known] : [] }), facts({ refunds: [told] }), now).refunds

  it('takes its share of the credits, once', () => {
    expect(decideOne(undefined, refundFacts())[0]?.operation).toMatchObject({
      kind: 'refund',
      amount: 250,
      key: 'refund:re_1',
    })
    expect(decideOne(knownRefund({}), refundFacts())).toEqual([])
  })

  it('that was asked for here has taken them already', () => {
    const requested = knownRefund({ refund_id: null, state: 'requested', requested_by: 'u1' })
    expect(decideOne(requested, refundFacts({ ownId: 'r1' }))).toMatchObject([
      { state: 'made', operation: null },
    ])
  })

  it('that comes to nothing gives back what it took, and nothing that was not there', () => {
    expect(decideOne(knownRefund({}), refundFacts({ state: 'undone' }))[0]?.operation).toMatchObject({
      kind: 'purchase',
      amount: 200,
    })
    expect(decideOne(undefined, refundFacts({ state: 'undone' }))[0]?.operation).toBeNull()
    expect(decideOne(knownRefund({ state: 'returned' }), refundFacts({ state: 'undone' }))).toEqual([])
  })

  it('that is made after all takes what it gave back, and not what was written off before', () => {
    expect(decideOne(knownRefund({ state: 'returned', turn: 1 }), refundFacts())[0]?.operation).toMatchObject(
      { kind: 'refund', amount: 200 },
    )
  })

  it('has another key in the ledger each time that it changes', () => {
    const keyAfter = (known: Partial<RefundRow>, state: RefundFacts['state']) => {
      const [change] = decideOne(knownRefund(known), refundFacts({ state }))
      return [change?.turn, change?.operation?.key]
    }
    expect(keyAfter({ state: 'made', turn: 0 }, 'undone')).toEqual([1, 'refund:re_1:1'])
    expect(keyAfter({ state: 'returned', turn: 1 }, 'made')).toEqual([2, 'refund:re_1:2'])
    expect(keyAfter({ state: 'made', turn: 2 }, 'undone')).toEqual([3, 'refund:re_1:3'])
  })
})

describe('a dispute', () => {
  const operation = (known: Partial<DisputeRow> | null, told: DisputeFacts['state']) =>
    decide(
      record({ state: 'paid' }, { disputes: known ? [knownDispute(known)] : [] }),
      facts({ disputes: [disputeFacts(told)] }),
      now,
    ).disputes[0]?.operation

  it.each([
    ['new', null, 'open', { kind: 'freeze', amount: 1_000, key: 'dispute:du_1:1' }],
    ['new', null, 'lost', { kind: 'forfeit', amount: 1_000, frozen: 0 }],
    ['an inquiry', { state: 'inquiry', frozen: 0 }, 'open', { kind: 'freeze', amount: 1_000 }],
    ['open', { state: 'open' }, 'won', { kind: 'unfreeze', amount: 700, key: 'dispute:du_1:2' }],
    ['open', { state: 'open' }, 'lost', { kind: 'forfeit', amount: 1_000, frozen: 700 }],
    ['open', { state: 'open' }, 'inquiry', { kind: 'unfreeze', amount: 700 }],
    ['lost', { state: 'lost', frozen: 0, taken: 600 }, 'won', { kind: 'purchase', amount: 600 }],
    ['won', { state: 'won', frozen: 0 }, 'lost', { kind: 'forfeit', amount: 1_000, frozen: 0 }],
  ] as const)('%s and %j, now %s, moves the credits', (_name, known, told, expected) => {
    expect(operation(known, told)).toMatchObject(expected)
  })

  it('moves nothing for an inquiry, for one that was won unseen, or for what is known', () => {
    expect(operation(null, 'inquiry')).toBeNull()
    expect(operation(null, 'won')).toBeNull()
    expect(operation({ state: 'open' }, 'open')).toBeUndefined()
    expect(operation({ state: 'lost' }, 'open')).toBeUndefined()
  })
})
