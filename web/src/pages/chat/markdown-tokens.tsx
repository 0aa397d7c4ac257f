import { lexer, type Token, type Tokens } from 'marked'
import { Fragment, memo, type ReactNode } from 'react'
import { CodeBlock } from '../../ui/copy.tsx'

/**
 * Markdown as React elements made from the parser's tokens. No HTML string exists anywhere: what looks like HTML is
 * shown as the text that it is, links lead to web and mail addresses only, and images are links, because loading one
 * would tell its server that somebody reads this.
 */
export const MarkdownTokens = memo(function MarkdownTokens({ text }: { text: string }) {
  return <Blocks tokens={lexer(text, { gfm: true, breaks: true })} />
})

function Blocks({ tokens }: { tokens: Token[] }) {
  // biome-ignore lint/suspicious/noArrayIndexKey: tokens have no identity but their place.
  return tokens.map((token, index) => <Fragment key={index}>{block(token)}</Fragment>)
}

function Inlines({ tokens }: { tokens: Token[] | undefined }) {
  // biome-ignore lint/suspicious/noArrayIndexKey: tokens have no identity but their place.
  return tokens?.map((token, index) => <Fragment key={index}>{inline(token)}</Fragment>)
}

function block(token: Token): ReactNode {
  switch (token.type) {
    case 'space':
    case 'def':
      return null
    case 'heading':
      return heading(token as Tokens.Heading)
    case 'paragraph':
      return (
        <p>
          <Inlines tokens={token.tokens} />
        </p>
      )
    case 'code':
      return <CodeBlock code={token.text} {...(token.lang ? { label: token.lang } : {})} />
    case 'blockquote':
      return (
        <blockquote>
          <Blocks tokens={token.tokens ?? []} />
        </blockquote>
      )
    case 'list':
      return list(token as Tokens.List)
    case 'table':
      return table(token as Tokens.Table)
    case 'hr':
      return <hr />
    case 'text':
      return token.tokens ? <Inlines tokens={token.tokens} /> : decode(token.text)
    default:
      return <p className="whitespace-pre-wrap">{token.raw}</p>
  }
}

function heading({ depth, tokens }: Tokens.Heading): ReactNode {
  // The page's own headings are h1 and h2, so an answer begins at h3.
  const Level = depth === 1 ? 'h3' : depth === 2 ? 'h4' : 'h5'
  return (
    <Level>
      <Inlines tokens={tokens} />
    </Level>
  )
}

function list({ ordered, start, items }: Tokens.List): ReactNode {
  const rows = items.map((item, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: tokens have no identity but their place.
    <li key={index} className={item.task ? 'list-none' : undefined}>
      {item.task && <input type="checkbox" checked={item.checked ?? false} readOnly className="mr-2 -ml-5" />}
      <Blocks tokens={item.tokens.filter(({ type }) => type !== 'checkbox')} />
    </li>
  ))
  return ordered ? <ol start={start === '' ? 1 : start}>{rows}</ol> : <ul>{rows}</ul>
}

function table({ header, rows }: Tokens.Table): ReactNode {
  const cells = (row: Tokens.TableCell[], Cell: 'th' | 'td') =>
    row.map((cell, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: tokens have no identity but their place.
      <Cell key={index} style={cell.align ? { textAlign: cell.align } : undefined}>
        <Inlines tokens={cell.tokens} />
      </Cell>
    ))
  return (
    <div className="overflow-x-auto">
      <table>
        <thead>
          <tr>{cells(header, 'th')}</tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: tokens have no identity but their place.
            <tr key={index}>{cells(row, 'td')}</tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function inline(token: Token): ReactNode {
  switch (token.type) {
    case 'text':
      return token.tokens ? <Inlines tokens={token.tokens} /> : decode(token.text)
    case 'escape':
      return decode(token.text)
    case 'strong':
      return (
        <strong>
          <Inlines tokens={token.tokens} />
        </strong>
      )
    case 'em':
      return (
        <em>
          <Inlines tokens={token.tokens} />
        </em>
      )
    case 'del':
      return (
        <del>
          <Inlines tokens={token.tokens} />
        </del>
      )
    case 'codespan':
      return <code>{decode(token.text)}</code>
    case 'br':
      return <br />
    case 'link':
      return link(token.href, <Inlines tokens={token.tokens} />)
    case 'image':
      return link(token.href, token.text || token.href)
    default:
      return token.raw
  }
}

function link(href: string, children: ReactNode): ReactNode {
  if (!/^(https?:\/\/|mailto:)/i.test(href)) return children
  return (
    <a href={href} target="_blank" rel="noreferrer noopener">
      {children}
    </a>
  )
}

const entities: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
}

/** The parser escapes some text for HTML, which React does by itself. */
function decode(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => entities[entity] ?? entity)
}
