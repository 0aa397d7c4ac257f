import { describe, expect, it } from 'vitest'
import { type ChargeFacts, costOfFirstWindow, decideCharge, type RuntimeTimes } from './runtime-charge.ts'
import { newMeter, type RuntimeMeter } from './runtime-meter.ts'

const now = 1_700_000_000_000
const price = { running: 3_600_000, suspended: 360_000, stored: 36_000 }
const times: RuntimeTimes = {
  windowSeconds: 300,
  sleepSeconds: 3600,
  leaseSeconds: 900,
  drainSeconds: 45,
  firstSeconds: 60,
}
/** What a second of running costs. */
const second = 1_000

const meter = (state: RuntimeMeter['state'], more: Partial<RuntimeMeter> = {}): RuntimeMeter => ({
  ...newMeter(now),
  state,
  ...more,
})
const facts = (meters: RuntimeMeter[], more: Partial<ChargeFacts> = {}): ChargeFacts => ({
  instances: meters.map((one, index) => ({ instanceId: `i${index}`, meter: one, price, starts: false })),
  held: 0,
  available: 1e9,
  onHold: false,
  hasBudgets: false,
  now,
  ...more,
})
const secondsUntil = (at: number | null) => (at === null ? null : (at - now) / 1000)

describe('a charge of runtime', () => {
  it('makes one line for each instance and state, and takes their sum', () => {
    const { lines, cost, meters } = decideCharge(
      facts([
        meter('running', { runningMs: 10_000, suspendedMs: 20_000 }),
        meter('stored', { storedMs: 30_000 }),
      ]),
      times,
    )
    expect(lines.map(({ instanceId, state, ms, cost }) => [instanceId, state, ms, cost])).toEqual([
      ['i0', 'running', 10_000, 10_000],
      ['i0', 'suspended', 20_000, 2_000],
      ['i1', 'stored', 30_000, 300],
    ])
    expect(cost).toBe(12_300)
    expect(meters.get('i0')).toMatchObject({ runningMs: 0, suspendedMs: 0 })
  })

  it('holds a window, the lease and the end when there is plenty, and looks again after the window', () => {
    const decision = decideCharge(facts([meter('running')]), times)
    expect(decision.reserve).toBe((300 + 900 + 45) * second)
    expect([secondsUntil(decision.coveredUntil), secondsUntil(decision.chargeAt)]).toEqual([1200, 300])
  })

  it('holds the same for one that boots, before models have spent it', () => {
    const booting = { instanceId: 'i', meter: meter(null), price, starts: true }
    const decision = decideCharge({ ...facts([]), instances: [booting], available: 200 * second }, times)
    expect(decision).toMatchObject({ cost: 0, reserve: (60 + 45) * second, exhausted: false })
  })

  it('holds back a tenth of what is left when credits run low, and the least when there is hardly any', () => {
    const low = decideCharge(facts([meter('running')], { available: 2_000 * second }), times)
    expect(low.reserve).toBe((200 + 45) * second)
    expect(secondsUntil(low.chargeAt)).toBe(100)
    const lower = decideCharge(facts([meter('running')], { available: 300 * second }), times)
    expect(lower.reserve).toBe((60 + 45) * second)
  })

  it('cuts exactly when what is left is used up, with the end paid for', () => {
    const last = decideCharge(facts([meter('running')], { available: 55 * second }), times)
    expect(last).toMatchObject({ exhausted: false })
    expect([secondsUntil(last.coveredUntil), secondsUntil(last.chargeAt)]).toEqual([10, 10])
    const cut = decideCharge(
      facts([meter('running', { runningMs: 10_000 })], { held: 55 * second, available: 0 }),
      times,
    )
    expect(cut.exhausted).toBe(true)
    // Whatever it takes to end is still held.
    expect(cut).toMatchObject({ release: false })
  })

  it('counts what may have been served and was not reported yet as if it had been', () => {
    const unheard = meter('running', { unprovenMs: 10_000 })
    const cut = decideCharge(facts([unheard], { held: 55 * second, available: 0 }), times)
    expect(cut.exhausted).toBe(true)
  })

  it('gives back what nothing needs any more, and asks nothing of those who hold nothing', () => {
    const stopped = decideCharge(facts([meter('stored')], { held: 500 * second }), times)
    expect(stopped).toMatchObject({ release: true, reserve: 0, coveredUntil: null, exhausted: false })
    const none = decideCharge(facts([meter('stored')], { available: 0 }), times)
    expect(none).toMatchObject({ release: false, reserve: 0, exhausted: false, cost: 0 })
  })

  it('lets nobody owe anything for what is only stored', () => {
    const { lines, cost } = decideCharge(
      facts([meter('stored', { storedMs: 3_600_000 })], { available: 35_999 }),
      times,
    )
    expect([lines[0]?.ms, cost]).toEqual([3_600_000, 0])
  })

  it('stops those that sleep too once nothing pays for them', () => {
    expect(decideCharge(facts([meter('suspended')], { available: 0 }), times).exhausted).toBe(true)
    expect(decideCharge(facts([meter('suspended')]), times)).toMatchObject({
      exhausted: false,
      coveredUntil: null,
    })
  })

  it('looks more often where somebody has set a budget', () => {
    const decision = decideCharge(facts([meter('running')], { hasBudgets: true }), times)
    expect(secondsUntil(decision.chargeAt)).toBe(60)
  })

  it('never holds more than there is, nor what is free', () => {
    const free = { running: 0, suspended: 0, stored: 0 }
    const decision = decideCharge(
      {
        ...facts([]),
        instances: [{ instanceId: 'i', meter: meter('running'), price: free, starts: false }],
        available: 0,
      },
      times,
    )
    expect(decision).toMatchObject({ reserve: 0, exhausted: false, coveredUntil: null })
    expect(costOfFirstWindow(free, times)).toBe(0)
    expect(costOfFirstWindow(price, times)).toBe(105 * second)
  })
})
