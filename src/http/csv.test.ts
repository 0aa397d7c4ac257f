import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { csvLine, csvStream } from './csv.ts'

it('quotes what would break a row, and keeps what is in it', () => {
  expect(csvLine(['a', 'b,c', 'say "hi"', 'two\nlines', null, 5])).toBe(
    'a,"b,c","say ""hi""","two\nlines",,5\r\n',
  )
})

it.each(['=1+1', '+1+cmd', '-1+1', '@SUM(A1)', '\tx', '\r=1', '＝1'])(
  'lets no spreadsheet take %j for a formula',
  (cell) => {
    expect(csvLine([cell]).replace(/^"/, '').startsWith("'")).toBe(true)
  },
)

it('leaves numbers alone, negative ones too', () => {
  expect(csvLine(['-0.000120', -5])).toBe('-0.000120,-5\r\n')
})

it('streams a header row and then every row', async () => {
  const rows = async function* () {
    for (let row = 0; row < 3; row++) yield [row]
  }
  expect(await text(csvStream(['n'], rows()))).toBe('n\r\n0\r\n1\r\n2\r\n')
})
