import { createElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { MarkdownTokens } from './markdown-tokens.tsx'

const render = (text: string) => renderToStaticMarkup(createElement(MarkdownTokens, { text }))

test('shows HTML as the text that it is', () => {
  const html = render('<script>alert(1)</script>\n\nraw <b onclick="x()">bold</b> & <img src=x onerror=x()>')
  expect(html).not.toMatch(/<(script|b|img)[\s>]/)
  expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  expect(html).toContain('&lt;img src=x onerror=x()&gt;')
})

test.each([
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](data:text/html,<b>)',
  '[x](&#106;avascript:alert(1))',
  '[x](/api/auth/log-out)',
  '[x](vbscript:x)',
])('makes no link of %s', (text) => {
  expect(render(text)).not.toContain('href')
})

test('loads no image, but links to it', () => {
  const html = render('![cat](https://example.com/cat.png)')
  expect(html).not.toContain('<img')
  expect(html).toContain(
    '<a href="https://example.com/cat.png" target="_blank" rel="noreferrer noopener">cat</a>',
  )
})

test('shows special characters once, not as entities', () => {
  expect(render('a < b && c > "d" `x < y & z`')).toContain(
    'a &lt; b &amp;&amp; c &gt; &quot;d&quot; <code>x &lt; y &amp; z</code>',
  )
})

test('renders what answers are made of', () => {
  const html = render(
    '# T\n\n1. **a**\n2. *b*\n\n| h |\n|--:|\n| c |\n\n```ts\nlet x\n```\n\n> q\n\n- [x] done',
  )
  for (const part of [
    '<h3>T</h3>',
    '<ol',
    '<strong>a</strong>',
    '<em>b</em>',
    'text-align:right',
    '<code>let x</code>',
    '<blockquote>',
    'checked=""',
  ])
    expect(html).toContain(part)
})
