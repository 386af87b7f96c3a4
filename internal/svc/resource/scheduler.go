package resource

import "github.com/lambkin-dev/lambkin/internal/core/stack"

const scheduleNameLength = 64

func schedules() []*definition {
	return []*definition{
		{name: "AWS::Scheduler::Schedule", service: "scheduler", create: "CreateSchedule", update: "UpdateSchedule", remove: "DeleteSchedule", read: "GetSchedule",
			naming: naming{property: "Name", rule: stack.NameRule{MaxLength: scheduleNameLength}},
			identity: func(c *call) values {
				in := values{"Name": c.physical}
				if group := c.text("GroupName"); group != "" {
					in["GroupName"] = group
				}
				return in
			},
			createOnly: []string{"GroupName"}, // a schedule cannot move, and UpdateSchedule would look for it in the new group
			attributes: pick("Arn", "Arn"), refused: map[string]string{"KmsKeyArn": noKeys}},
		{name: "AWS::Scheduler::ScheduleGroup", service: "scheduler", create: "CreateScheduleGroup", remove: "DeleteScheduleGroup", read: "GetScheduleGroup",
			naming: naming{property: "Name", rule: stack.NameRule{MaxLength: scheduleNameLength}}, identity: physicalAs("Name"),
			drop: func(c *call) error {
				if err := c.run("DeleteScheduleGroup", values{"Name": c.physical}); err != nil {
					return err
				}
				return wait(c, func(c *call) (bool, error) {
					_, err := c.do("GetScheduleGroup", values{"Name": c.physical})
					return absent(err), ignoreAbsent(err)
				})
			},
			tags: &tagging{tag: "TagResource", untag: "UntagResource", list: "ListTagsForResource", resource: "ResourceArn", keys: "TagKeys",
				of: func(c *call) any { return c.arn("scheduler", "schedule-group/"+c.physical) }},
			attributes: pick("Arn", "Arn", "CreationDate", "CreationDate", "LastModificationDate", "LastModificationDate", "State", "State")},
	}
}
