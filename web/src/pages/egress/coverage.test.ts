import { expect, test } from 'vitest'
import { hasAll, isAllowed, parsePorts, portsText } from './coverage.ts'

const rule = (domain: string, ports: number[] = []) => ({ domain, ports })

test('a name is allowed by itself and by what stands above it, and by nothing that only looks alike', () => {
  const asked = { host: 'api.example.com', ports: [443] }
  expect(isAllowed([rule('api.example.com')], asked)).toBe(true)
  expect(isAllowed([rule('*.example.com')], asked)).toBe(true)
  expect(isAllowed([rule('example.com')], asked)).toBe(false)
  expect(isAllowed([rule('*.ample.com')], asked)).toBe(false)
  expect(isAllowed([rule('*.example.com')], { ...asked, host: 'example.com' })).toBe(false)
  expect(isAllowed([], { host: 'example.com', ports: [] })).toBe(false)
})

test('every port that was asked for has to be allowed', () => {
  const asked = { host: 'example.com', ports: [443, 8443] }
  expect(isAllowed([rule('example.com')], asked)).toBe(false)
  expect(isAllowed([rule('example.com', [443, 8443])], asked)).toBe(true)
  expect(isAllowed([rule('example.com', [8443]), rule('example.com')], asked)).toBe(true)
})

test('a preset is in force once each of its domains is allowed, alone or by a wider rule', () => {
  expect(hasAll([rule('*.example.com')], ['a.example.com', '*.example.com'])).toBe(true)
  expect(hasAll([rule('a.example.com')], ['a.example.com', '*.example.com'])).toBe(false)
})

test('says ports only where they are not the web’s', () => {
  expect(portsText([])).toBe('')
  expect(portsText([80, 443])).toBe('')
  expect(portsText([8443])).toBe(' at port 8443')
  expect(portsText([443, 8443])).toBe(' at ports 443, 8443')
})

test('reads ports as people write them, and tells what is none', () => {
  expect(parsePorts('443, 8443')).toEqual([443, 8443])
  expect(parsePorts('')).toEqual([])
  expect(parsePorts('https')).toBeUndefined()
  expect(parsePorts('70000')).toBeUndefined()
})
