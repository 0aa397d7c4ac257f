import { type RefObject, useCallback, useEffect, useRef, useState } from 'react'

/** This close to the end counts as being at the end. */
const nearPixels = 64

/**
 * Keeps a scrolling list at its end while it grows, unless the reader scrolled up: then it stays where they read until
 * they come back down or ask for the latest.
 */
export function useStickToBottom<T extends HTMLElement>(): {
  scroller: RefObject<T | null>
  content: RefObject<HTMLDivElement | null>
  atBottom: boolean
  toBottom: () => void
} {
  const scroller = useRef<T>(null)
  const content = useRef<HTMLDivElement>(null)
  const sticks = useRef(true)
  const [atBottom, setAtBottom] = useState(true)

  const toBottom = useCallback(() => {
    const element = scroller.current
    if (!element) return
    sticks.current = true
    element.scrollTop = element.scrollHeight
  }, [])

  useEffect(() => {
    const element = scroller.current
    const inner = content.current
    if (!element || !inner) return
    let lastTop = element.scrollTop
    const onScroll = () => {
      const near = element.scrollHeight - element.scrollTop - element.clientHeight < nearPixels
      // Growth moves the end away without any scrolling: only a move upwards means that somebody reads.
      if (near) sticks.current = true
      else if (element.scrollTop < lastTop) sticks.current = false
      lastTop = element.scrollTop
      setAtBottom(near)
    }
    const follow = () => {
      if (sticks.current) element.scrollTop = element.scrollHeight
      onScroll()
    }
    const observer = new ResizeObserver(follow)
    observer.observe(inner)
    observer.observe(element)
    element.addEventListener('scroll', onScroll, { passive: true })
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', onScroll)
    }
  }, [])

  return { scroller, content, atBottom, toBottom }
}
