// A list of thousands of rows of any height, of which only those in view are in the document.

const MARGIN = 700; // pixels above and below the view that have rows, too

export class VirtualList {
  #heights = [];
  #offsets = [0];
  #rows = new Map(); // number -> element
  #waiting = 0;
  #sizes;

  /** scroller: the element that scrolls. render(number): the element of a row. estimate(number): its height before it
   * was drawn, in pixels. */
  constructor(scroller, { render, estimate }) {
    Object.assign(this, { scroller, render, estimate });
    this.inner = document.createElement("div");
    this.inner.className = "virtual";
    this.inner.setAttribute("role", "list");
    scroller.replaceChildren(this.inner);
    this.#sizes = new ResizeObserver((entries) => this.#measure(entries));
    this.onScroll = () => this.#soon();
    scroller.addEventListener("scroll", this.onScroll, { passive: true });
    this.view = new ResizeObserver(() => this.#soon());
    this.view.observe(scroller);
  }

  /** Draws so many rows anew; those in view are replaced. */
  reset(count) {
    for (const row of this.#rows.values()) this.#sizes.unobserve(row);
    this.#rows.clear();
    this.inner.replaceChildren();
    this.#heights = Array.from({ length: count }, (_, number) => this.#heights[number] ?? this.estimate(number));
    this.#place(0);
    this.#draw();
  }

  /** Draws one row anew, if it is in view. */
  refresh(number) {
    const old = this.#rows.get(number);
    if (!old) return;
    const made = this.#make(number);
    old.replaceWith(made);
    this.#sizes.unobserve(old);
    this.#rows.set(number, made);
  }

  /** The element of a row that is in the document; else undefined. */
  row(number) {
    return this.#rows.get(number);
  }

  /** Whether the whole row can be seen. */
  visible(number) {
    const [top, height] = [this.#offsets[number], this.#heights[number]];
    const from = this.scroller.scrollTop;
    return top >= from && top + Math.min(height, this.scroller.clientHeight) <= from + this.scroller.clientHeight;
  }

  /** Scrolls so that a row is in the upper third of the view. */
  show(number) {
    if (number < 0 || number >= this.#heights.length) return;
    const target = () => Math.max(0, this.#offsets[number] - this.scroller.clientHeight / 3);
    this.scroller.scrollTop = target();
    this.#draw(); // rows that are drawn now may be of other heights than was guessed
    this.scroller.scrollTop = target();
  }

  end() {
    cancelAnimationFrame(this.#waiting);
    this.#sizes.disconnect();
    this.view.disconnect();
    this.scroller.removeEventListener("scroll", this.onScroll);
  }

  #soon() {
    this.#waiting ||= requestAnimationFrame(() => {
      this.#waiting = 0;
      this.#draw();
    });
  }

  #place(from) {
    for (let number = from; number < this.#heights.length; number += 1) {
      this.#offsets[number + 1] = this.#offsets[number] + this.#heights[number];
    }
    this.#offsets.length = this.#heights.length + 1;
    this.inner.style.height = `${this.#offsets.at(-1)}px`;
    for (const [number, row] of this.#rows) if (number >= from) this.#move(number, row);
  }

  #move(number, row) {
    row.style.transform = `translateY(${this.#offsets[number]}px)`;
  }

  #at(offset) {
    let [low, high] = [0, this.#heights.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle + 1] <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #draw() {
    const top = this.scroller.scrollTop;
    const first = this.#at(Math.max(0, top - MARGIN));
    const last = Math.min(this.#heights.length - 1, this.#at(top + this.scroller.clientHeight + MARGIN));
    for (const [number, row] of this.#rows) {
      if ((number >= first && number <= last) || row.contains(document.activeElement)) continue;
      row.remove();
      this.#sizes.unobserve(row);
      this.#rows.delete(number);
    }
    for (let number = first; number <= last; number += 1) {
      if (this.#rows.has(number)) continue;
      const made = this.#make(number);
      this.#rows.set(number, made);
      this.inner.insertBefore(made, this.#after(number));
    }
  }

  /** The row that comes behind a number in the document, so that rows are read in their order. */
  #after(number) {
    let found = null;
    for (const [other, row] of this.#rows) {
      if (other > number && row.isConnected && (!found || other < found[0])) found = [other, row];
    }
    return found && found[1];
  }

  #make(number) {
    const made = this.render(number);
    made.setAttribute("role", "listitem");
    made.setAttribute("aria-setsize", this.#heights.length);
    made.setAttribute("aria-posinset", number + 1);
    made.rowNumber = number;
    this.#move(number, made);
    this.#sizes.observe(made);
    return made;
  }

  #measure(entries) {
    let [least, above] = [Infinity, 0];
    const top = this.scroller.scrollTop;
    for (const { target } of entries) {
      const number = target.rowNumber;
      const height = target.offsetHeight;
      if (!target.isConnected || this.#rows.get(number) !== target || height === this.#heights[number]) continue;
      if (this.#offsets[number + 1] <= top) above += height - this.#heights[number];
      this.#heights[number] = height;
      least = Math.min(least, number);
    }
    if (least === Infinity) return;
    this.#place(least);
    if (above) this.scroller.scrollTop = top + above; // what is read stays where it is
    this.#soon();
  }
}
