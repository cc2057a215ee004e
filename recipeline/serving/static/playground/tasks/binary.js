/** Two classes: the positive label is said from the version's threshold on. */

import { MulticlassTask } from "./multiclass.js";

/** The task of two labels, the positive one last. */
export class BinaryTask extends MulticlassTask {
  leastOf(text, { labels, threshold }) {
    return text === String(labels[1]) ? threshold ?? 0.5 : null;
  }

  labelOf(_, { target }) {
    return String(target.labels[1]);
  }
}
