"""Parts of a page that are cut off, found in the browser at its width."""

from __future__ import annotations

from playwright.sync_api import Frame, Page

#: A box that scrolls sideways is no fault where a word beside it says that there is more, or a shadow that its content covers.
_FAULTS = """() => {
    const faults = [], name = it => `${it.tagName.toLowerCase()} "${it.textContent.trim().slice(0, 60)}"`;
    const isSeen = it => it.checkVisibility({visibilityProperty: true}) && it.getClientRects().length > 0;
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) faults.push(`the page is ${document.documentElement.scrollWidth} wide`);
    for (const it of document.querySelectorAll("body *")) {
        if (it.closest("svg, script, style, .swagger-ui") || !isSeen(it)) continue;
        const style = getComputedStyle(it), hidden = it.scrollWidth - it.clientWidth;
        const isBox = style.display !== "inline" && it.clientWidth > 1;
        if (isBox && hidden > 1 && ["auto", "scroll"].includes(style.overflowX)) {
            const word = getComputedStyle(it.parentElement, "::after").content;
            const atEnd = it.scrollLeft >= hidden - 1;
            const isShaded = !it.matches(".wide") && style.backgroundAttachment.includes("local");
            const isCued = isShaded || word.includes("more to the right") || it.matches("pre, textarea, [data-scrolls]");
            if (!atEnd && !isCued) faults.push(`no cue: ${name(it)}`);
        } else if (isBox && hidden > 1 && ["hidden", "clip"].includes(style.overflowX) && it.textContent.trim()) {
            faults.push(`cut: ${name(it)}`);
        } else if (isBox && hidden > 1 && it.matches("td, th")) {
            faults.push(`over the next cell: ${name(it)}`);
        }
        const own = [...it.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
        const scrolls = it => ["auto", "scroll"].includes(getComputedStyle(it).overflowX);
        let scroller = it.parentElement;
        while (scroller && !scrolls(scroller)) scroller = scroller.parentElement;
        const box = it.getBoundingClientRect();
        const isIn = box.right > 0 && box.left < width;  // what is put aside as a whole is meant to be
        if (own && !scroller && isIn && (box.right > width + 1 || box.left < -1)) faults.push(`outside: ${name(it)}`);
    }
    for (const svg of document.querySelectorAll("figure svg")) {
        if (!isSeen(svg)) continue;
        const frame = svg.getBoundingClientRect();
        for (const text of svg.querySelectorAll("text")) {
            const box = text.getBoundingClientRect();
            const [left, right] = [frame.left - box.left, box.right - frame.right];
            const [above, below] = [frame.top - box.top, box.bottom - frame.bottom];
            if (Math.max(left, right, above, below) > 2)  // the box of a word is a little higher than its letters
                faults.push(`label outside of its picture: ${text.textContent}`);
        }
    }
    return faults;
}"""


def find_faults(page: Page | Frame) -> list[str]:
    """Return a line for each part that is cut off or scrolls without a cue.

    Also for each that sticks out. Frames inside of it are not looked into.
    """
    found: list[str] = page.evaluate(_FAULTS)
    return found
