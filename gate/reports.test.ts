import { expect, it } from 'vitest'
import { createReports } from './reports.ts'

const denied = (host: string) => ({ host, port: 443, reason: 'not_listed' as const })

it('the same refusal again is counted, and told once', () => {
  const reports = createReports()
  reports.denied('slot', denied('example.com'))
  reports.denied('slot', denied('example.com'))
  reports.denied('other', denied('example.com'))
  expect(reports.take()?.denied.map(({ slotId, attempts }) => [slotId, attempts])).toEqual([
    ['slot', 2],
    ['other', 1],
  ])
  expect(reports.take()).toBeUndefined()
})

it('one slot that tries a whole dictionary takes no room from others', () => {
  const reports = createReports()
  for (let index = 0; index < 10_000; index++) reports.denied('slot', denied(`n${index}.example`))
  reports.denied('other', denied('example.com'))
  const report = reports.take()
  expect(report?.denied.filter((one) => one.slotId === 'slot')).toHaveLength(100)
  expect(report?.denied.filter((one) => one.slotId === 'other')).toHaveLength(1)
})

it('a report that could not be sent is part of the next', () => {
  const reports = createReports()
  reports.denied('slot', denied('example.com'))
  const report = reports.take()
  if (!report) throw new Error('there is something to report')
  reports.denied('slot', denied('example.com'))
  reports.putBack({ ...report, traffic: [{ slotId: 'slot', sentBytes: 1, receivedBytes: 2 }] })
  expect(reports.take()).toMatchObject({
    denied: [{ attempts: 2 }],
    traffic: [{ sentBytes: 1, receivedBytes: 2 }],
  })
})
