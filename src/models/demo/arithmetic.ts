const words: [RegExp, string][] = [
  [/\bdivided by\b|\bover\b/gi, '/'],
  [/\b(multiplied by|times)\b|(?<=\d)\s*[x×]\s*(?=[\d(])/gi, '*'],
  [/\bplus\b/gi, '+'],
  [/\bminus\b/gi, '-'],
  [/\bto the power of\b|\*\*/gi, '^'],
  [/÷/g, '/'],
  [/(?<=\d),(?=\d{3}\b)/g, ''],
  // A percentage of something reads as a product.
  [/%\s*of\b/gi, '/100*'],
]

/** The value of a calculation in figures and everyday words, or undefined if `text` is not one. */
export function calculate(text: string): { expression: string; value: number } | undefined {
  let expression = text.trim().replace(/[\s=?.!]+$/, '')
  for (const [pattern, sign] of words) expression = expression.replace(pattern, sign)
  expression = expression.replace(/\s+/g, ' ').trim()
  if (!/^[\d\s.()+\-*/^]+$/.test(expression) || !/\d/.test(expression)) return undefined
  // A number alone, or a date such as 2026-11-21, is no question.
  if (!/[\d)]\s*[+\-*/^]\s*[-(\d.]/.test(expression) || /^\d+-\d+-\d+$/.test(expression)) return undefined
  const value = evaluate(expression)
  return value === undefined || !Number.isFinite(value) ? undefined : { expression, value }
}

/** Recursive descent over + - * / ^ and brackets. */
function evaluate(expression: string): number | undefined {
  const tokens = expression.match(/\d+(?:\.\d+)?|\.\d+|[()+\-*/^]/g) ?? []
  if (tokens.join('') !== expression.replace(/\s+/g, '')) return undefined
  let at = 0
  const sum = (): number => {
    let value = product()
    while (tokens[at] === '+' || tokens[at] === '-')
      value = tokens[at++] === '+' ? value + product() : value - product()
    return value
  }
  const product = (): number => {
    let value = power()
    while (tokens[at] === '*' || tokens[at] === '/')
      value = tokens[at++] === '*' ? value * power() : value / power()
    return value
  }
  const power = (): number => {
    if (tokens[at] === '-') {
      at++
      return -power()
    }
    const base = atom()
    if (tokens[at] !== '^') return base
    at++
    return base ** power()
  }
  const atom = (): number => {
    const token = tokens[at++]
    if (token !== '(') return token === undefined ? Number.NaN : Number(token)
    const value = sum()
    return tokens[at++] === ')' ? value : Number.NaN
  }
  const value = sum()
  return at === tokens.length && !Number.isNaN(value) ? value : undefined
}

/** Without the tail that binary fractions leave: 0.1 + 0.2 is 0.3. */
export function formatNumber(value: number): string {
  return String(Number(value.toPrecision(12)))
}
