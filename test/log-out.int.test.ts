import { expect, it } from 'vitest'
import { startTestApp } from './support/app.ts'
import { eventually } from './support/eventually.ts'
import { sendRaw } from './support/proxy.ts'

it('logging out of the dashboard ends the visit to the Control UI that came from it, within seconds', async () => {
  const app = await startTestApp()
  try {
    const ada = await app.person('ada@example.com')
    const instance = await ada.provision()
    // A stopped instance is answered for by the proxy itself, to nobody but its visitor.
    await ada.call('POST', `/api/instances/${instance.id}/stop`)
    await ada.untilInstance(({ status }) => status === 'stopped', 'stopped')
    const { url } = await ada.call<{ url: string }>('POST', `/api/instances/${instance.id}/visit`)
    const { host, port, pathname, search } = new URL(url)
    const open = async (path: string, cookie = ''): Promise<string> => {
      const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, `Cookie: ${cookie}`, 'Connection: close']
      return (await sendRaw(Number(port), [`${head.join('\r\n')}\r\n\r\n`])).text
    }
    const entered = await open(`${pathname}${search}`)
    const cookie = /^set-cookie: ([^;]+)/im.exec(entered)?.[1] as string
    expect(await open('/', cookie)).toMatch(/^HTTP\/1.1 503/)

    await ada.call('POST', '/api/auth/log-out', { refreshToken: ada.tokens.refreshToken })
    await eventually(async () => {
      const answer = await open('/', cookie)
      expect(answer).toMatch(/^HTTP\/1.1 401/)
      expect(answer).toContain('visit_required')
    }, 2_500)
  } finally {
    await app.end()
  }
})
