import { Link } from '@tanstack/react-router'
import { paths } from '../paths.ts'
import { buttonClass } from '../ui/button.tsx'
import { MessagePage } from './message-page.tsx'

export function NotFoundPage() {
  return (
    <MessagePage
      title="There is no such page"
      actions={
        <Link {...paths.start()} className={buttonClass('primary')}>
          Go to the start
        </Link>
      }
    >
      The address may be mistyped, or the page has moved.
    </MessagePage>
  )
}
