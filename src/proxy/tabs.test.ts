import { expect, test } from 'vitest'
import { readHead } from './request-head.ts'
import { createTabs } from './tabs.ts'

const visit = { userId: 'u', familyId: 'f', instanceId: 'i', slug: 's', email: 'e@example.com', expiresAt: 0 }
const navigate = readHead(['sec-fetch-mode', 'navigate'])
const fetched = readHead(['sec-fetch-mode', 'cors'])
const browser = readHead(['sec-fetch-mode', 'websocket'])
const program = readHead([])

const start = () => {
  let time = 0
  const tabs = createTabs(() => ++time)
  return {
    open: (head = navigate) => tabs.isMeant(visit, head, 'request'),
    dial: (who = visit) => tabs.isMeant(who, browser, 'upgrade'),
  }
}

test('a page that is opened means it, and so does its first connection', () => {
  const { open, dial } = start()
  expect([open(), dial()]).toEqual([true, true])
})

test('a tab that dials anew by itself does not, until the page is opened again', () => {
  const { open, dial } = start()
  open()
  expect([dial(), dial(), dial()]).toEqual([true, false, false])
  open()
  expect([dial(), dial()]).toEqual([true, false])
})

test('what a page fetches by itself does not count; what a program asks for does', () => {
  const { open } = start()
  expect([open(fetched), open(program)]).toEqual([false, true])
})

test('who was never seen is taken at their word, whoever else dials', () => {
  const { dial } = start()
  expect([dial(), dial({ ...visit, userId: 'other' }), dial()]).toEqual([true, true, false])
})
