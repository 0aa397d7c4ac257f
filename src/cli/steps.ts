import { styleText } from 'node:util'

export interface Step {
  name: string
  state: 'start' | 'done'
  detail?: string
  /** How long it took, where somebody else has measured it. */
  milliseconds?: number
}

/** Shows the steps of something slow: a spinner on a terminal, one line per finished step elsewhere. */
export interface StepDisplay {
  show(step: Step): void
  /** Removes the spinner; whatever was under way is left unfinished on the screen. */
  end(): void
}

export interface StepOutput {
  write(text: string): unknown
  isTTY?: boolean
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
/** Fast enough to look alive, slow enough to cost nothing. */
const frameMilliseconds = 100
/** Shorter steps show no time: it would say nothing. */
const shownMillisecondsMin = 500

export function createStepDisplay(
  output: StepOutput = process.stdout,
  now: () => number = () => performance.now(),
): StepDisplay {
  const running = new Map<string, number>()
  const terminal = output.isTTY === true
  let timer: NodeJS.Timeout | undefined
  let frame = 0

  const clearLine = (): void => {
    if (terminal) output.write('\r\u001b[2K')
  }
  const draw = (): void => {
    const [name, startedAt] = [...running].at(-1) ?? []
    if (name === undefined || startedAt === undefined) return
    clearLine()
    frame = (frame + 1) % frames.length
    output.write(`${frames[frame]} ${name}${dim(terminal, time(now() - startedAt))}`)
  }

  return {
    show: (step) => {
      if (step.state === 'start') {
        running.set(step.name, now())
        if (terminal) {
          timer ??= setInterval(draw, frameMilliseconds)
          draw()
        }
        return
      }
      const milliseconds = step.milliseconds ?? now() - (running.get(step.name) ?? now())
      running.delete(step.name)
      clearLine()
      const detail = step.detail ? `: ${withoutScheme(step.detail)}` : ''
      const mark = terminal ? styleText('green', '✔') : '✔'
      output.write(`${mark} ${step.name}${detail}${dim(terminal, time(milliseconds))}\n`)
      if (running.size === 0) {
        clearInterval(timer)
        timer = undefined
      }
    },
    end: () => {
      clearInterval(timer)
      timer = undefined
      clearLine()
      running.clear()
    },
  }
}

/** The dashboard's address is the first URL on the screen: terminals, editors and scripts pick that one up. */
function withoutScheme(detail: string): string {
  return detail.replaceAll(/https?:\/\//g, '')
}

function time(milliseconds: number): string {
  return milliseconds < shownMillisecondsMin ? '' : ` ${(milliseconds / 1000).toFixed(1)} s`
}

function dim(terminal: boolean, text: string): string {
  return terminal && text ? styleText('dim', text) : text
}
