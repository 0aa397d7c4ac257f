import { Button } from '../../ui/button.tsx'
import { Notice } from '../../ui/notice.tsx'
import { Markdown } from './markdown.tsx'
import { AssistantMessage, Thinking, UserMessage } from './message-view.tsx'
import { ToolCallView } from './tool-call-view.tsx'
import { isActive, type Turn } from './turn.ts'

/** A question and the answer as it comes. */
export function TurnView({ turn, onRetry }: { turn: Turn; onRetry: () => void }) {
  const active = isActive(turn)
  return (
    <>
      <UserMessage text={turn.text} />
      {turn.segments.length > 0 && (
        <AssistantMessage>
          {turn.segments.map((segment, index) =>
            segment.kind === 'tool' ? (
              <ToolCallView key={segment.tool.id} tool={segment.tool} />
            ) : (
              <Markdown
                // biome-ignore lint/suspicious/noArrayIndexKey: segments are only ever appended.
                key={index}
                text={segment.text}
                growing={active && index === turn.segments.length - 1}
              />
            ),
          )}
        </AssistantMessage>
      )}
      {active && waitsForWords(turn) && <Thinking />}
      {turn.error && (
        <Notice
          tone="bad"
          action={
            <Button size="small" onClick={onRetry} className="-my-0.5">
              Try again
            </Button>
          }
        >
          {turn.error}
        </Notice>
      )}
    </>
  )
}

/** Nothing on the screen moves at the moment: nothing came yet, or a tool has finished and the model thinks. */
function waitsForWords(turn: Turn): boolean {
  const last = turn.segments.at(-1)
  return last === undefined || (last.kind === 'tool' && last.tool.output !== null)
}
