import { expect, it } from 'vitest'
import type { Alert, Credits } from '../api/types.ts'
import { creditsLines } from './credits-lines.ts'

const credits = (hold: Credits['hold']): Credits => ({
  availableMicros: 0,
  reservedMicros: 0,
  spentMicros: 0,
  frozenMicros: 0,
  refundedMicros: 0,
  grantedMicros: 0,
  purchasedMicros: 0,
  writtenOffMicros: 0,
  burnMicrosPerHour: 0,
  lastsUntil: null,
  hold,
  paymentsPossible: false,
})
const alert = (kind: Alert['kind'], severity: Alert['severity']): Alert => ({
  id: kind,
  kind,
  severity,
  title: `About ${kind}`,
  message: 'Do something.',
  details: {},
  forOperators: false,
  createdAt: '2026-11-21T00:00:00.000Z',
})

it('says nothing while all is well, and before anything is known', () => {
  expect(creditsLines(undefined, [])).toEqual([])
  expect(creditsLines(credits(null), [])).toEqual([])
})

it('says once that the credits are used up, and leaves that in sight', () => {
  const lines = creditsLines(credits('credits'), [
    alert('credits_exhausted', 'critical'),
    alert('balance_low', 'warning'),
  ])
  expect(lines).toMatchObject([
    { title: 'The credits are used up', link: { page: 'credits' }, tone: 'bad', alertId: null },
  ])
})

it('still says that credits run low while only a budget holds something back', () => {
  const lines = creditsLines(credits('budget'), [alert('balance_low', 'warning')])
  expect(lines.map(({ title }) => title)).toEqual(['A budget is spent', 'About balance_low'])
})

it('says no more that credits run low once some came in', () => {
  const low = { ...alert('balance_low', 'warning'), details: { availableMicros: 5 } }
  const left = (availableMicros: number, reservedMicros: number) => ({
    ...credits(null),
    availableMicros,
    reservedMicros,
  })
  expect(creditsLines(left(1, 4), [low])).toHaveLength(1)
  expect(creditsLines(left(500, 0), [low])).toEqual([])
})

it('shows the worst alerts first, each to be dismissed, and never so many that the page is hidden', () => {
  const lines = creditsLines(credits(null), [
    alert('test', 'info'),
    alert('balance_low', 'warning'),
    alert('ledger_damaged', 'critical'),
    alert('top_up_failed', 'warning'),
  ])
  expect(lines.map(({ alertId }) => alertId)).toEqual(['ledger_damaged', 'balance_low', 'top_up_failed'])
})
