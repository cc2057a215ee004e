/** Every task by its name: what the page asks for, how it shows an answer, and what a file gets. Without a name it is regression. */

import { BinaryTask } from "./binary.js";
import { MulticlassTask } from "./multiclass.js";
import { RegressionTask } from "./regression.js";

const TASKS = new Map([
  ["regression", new RegressionTask()],
  ["binary", new BinaryTask()],
  ["multiclass", new MulticlassTask()],
]);

/** Return the task of a model. */
export function taskOf({ target }) {
  return TASKS.get(target.task ?? "regression");
}
