//! The order in which tasks run: dependencies first, otherwise as declared.

use std::collections::{HashMap, HashSet};

use crate::text::suggestion::known;
use crate::workflow::{InvalidWorkflow, Task};

/// The tasks to run, in their order: those named in `selected_tasks` and their dependencies, or all of
/// `listed` if none is named. Dependencies are searched in `declared`.
///
/// # Errors
/// An unknown task or dependency, a cycle, a task without a command.
pub fn plan(
    declared: &[Task],
    listed: &[String],
    selected_tasks: &[String],
) -> Result<Vec<Task>, InvalidWorkflow> {
    let names: Vec<&str> = declared.iter().map(|task| task.name.as_str()).collect();
    let by_name: HashMap<&str, &Task> = declared.iter().map(|task| (task.name.as_str(), task)).collect();
    for name in selected_tasks {
        if !by_name.contains_key(name.as_str()) {
            return Err(InvalidWorkflow::UnknownTask { name: name.clone(), known: known(name, &names) });
        }
    }
    let roots = if selected_tasks.is_empty() { listed } else { selected_tasks };
    let roots: HashSet<&str> = roots.iter().map(String::as_str).collect();
    // Roots in the order of their declaration, not of their selection.
    let mut walk = Walk { by_name, names: &names, done: Vec::new(), marks: HashMap::new(), path: Vec::new() };
    for task in declared.iter().filter(|task| roots.contains(task.name.as_str())) {
        walk.visit(task)?;
    }
    Ok(walk.done)
}

struct Walk<'a> {
    by_name: HashMap<&'a str, &'a Task>,
    names: &'a [&'a str],
    done: Vec<Task>,
    marks: HashMap<&'a str, VisitState>,
    /// The tasks whose dependencies are being placed, the outermost first, each with the number of
    /// dependencies done.
    path: Vec<(&'a Task, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum VisitState {
    /// Its dependencies are being placed.
    Waiting,
    Done,
}

impl<'a> Walk<'a> {
    /// Places a task after its dependencies. It does not recurse: chains may have any length.
    fn visit(&mut self, task: &'a Task) -> Result<(), InvalidWorkflow> {
        self.enter(task)?;
        while let Some((task, looked_at)) = self.path.last_mut() {
            let task = *task;
            let Some(name) = task.depends_on.get(*looked_at) else {
                self.path.pop();
                self.marks.insert(&task.name, VisitState::Done);
                self.done.push(task.clone());
                continue;
            };
            *looked_at += 1;
            let Some(dependency) = self.by_name.get(name.as_str()).copied() else {
                return Err(InvalidWorkflow::UnknownDependency {
                    place: task.place.clone(),
                    task: task.name.clone(),
                    dependency: name.clone(),
                    known: known(name, self.names),
                });
            };
            self.enter(dependency)?;
        }
        Ok(())
    }

    /// Begins with a task, unless it was visited before.
    fn enter(&mut self, task: &'a Task) -> Result<(), InvalidWorkflow> {
        match self.marks.get(task.name.as_str()) {
            Some(VisitState::Done) => return Ok(()),
            Some(VisitState::Waiting) => {
                let waiting = self.path.iter().map(|(waiting, _)| waiting.name.as_str());
                let mut cycle: Vec<&str> = waiting.skip_while(|name| *name != task.name).collect();
                cycle.push(&task.name);
                return Err(InvalidWorkflow::Cycle { place: task.place.clone(), path: cycle.join(" -> ") });
            }
            None => {}
        }
        if task.command.is_none() {
            return Err(InvalidWorkflow::NoCommand { place: task.place.clone(), task: task.name.clone() });
        }
        self.marks.insert(&task.name, VisitState::Waiting);
        self.path.push((task, 0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{LuaRef, TaskAction};

    fn tasks(edges: &[(&str, &[&str])]) -> Vec<Task> {
        let lua = mlua::Lua::new();
        let command = LuaRef::new(&lua, 1).unwrap();
        let task = |(name, depends_on): &(&str, &[&str])| Task {
            name: name.to_string(),
            command: Some(TaskAction::Function(command.clone())),
            depends_on: depends_on.iter().map(ToString::to_string).collect(),
            ..Task::default()
        };
        edges.iter().map(task).collect()
    }

    fn order(edges: &[(&str, &[&str])], selected_tasks: &[&str]) -> Result<Vec<String>, InvalidWorkflow> {
        let tasks = tasks(edges);
        let listed: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        let selected_tasks: Vec<String> = selected_tasks.iter().map(ToString::to_string).collect();
        Ok(plan(&tasks, &listed, &selected_tasks)?.into_iter().map(|task| task.name).collect())
    }

    #[test]
    fn dependencies_come_first_and_the_rest_as_declared() {
        let edges: [(&str, &[&str]); 4] = [("d", &["b"]), ("c", &[]), ("b", &["a"]), ("a", &[])];
        assert_eq!(order(&edges, &[]).unwrap(), ["a", "b", "d", "c"]);
        assert_eq!(order(&edges, &["b"]).unwrap(), ["a", "b"]);
        assert_eq!(order(&edges, &["c", "b"]).unwrap(), ["c", "a", "b"]);
    }

    #[test]
    fn a_chain_may_be_long() {
        let names: Vec<String> = (0..50_000).map(|number| number.to_string()).collect();
        let edges: Vec<(&str, Vec<&str>)> = names
            .iter()
            .enumerate()
            .map(|(at, name)| (name.as_str(), names.get(at + 1).map(String::as_str).into_iter().collect()))
            .collect();
        let edges: Vec<(&str, &[&str])> =
            edges.iter().map(|(name, after)| (*name, after.as_slice())).collect();
        let order = order(&edges, &["0"]).unwrap();
        assert_eq!((order.len(), order[0].as_str()), (names.len(), "49999"));
    }

    #[test]
    fn a_cycle_is_named() {
        let edges: [(&str, &[&str]); 4] = [("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])];
        let error = order(&edges, &[]).unwrap_err().to_string();
        assert!(error.contains("a -> b -> c -> a"), "{error}");
        let selfish: [(&str, &[&str]); 1] = [("a", &["a"])];
        assert!(order(&selfish, &[]).unwrap_err().to_string().contains("a -> a"));
    }

    #[test]
    fn what_is_unknown_gets_a_suggestion() {
        let edges: [(&str, &[&str]); 2] = [("build", &[]), ("ship", &["biuld"])];
        let error = order(&edges, &[]).unwrap_err().to_string();
        assert!(error.contains("did you mean build?"), "{error}");
        let error = order(&edges[..1], &["deploy"]).unwrap_err().to_string();
        assert!(error.contains("there are build"), "{error}");
    }
}
