package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambkin-dev/lambkin/test/platform"
)

// permissions measures what --iam=enforce adds to a warm call of an IAM user, beside
// the same call of the same kind of user where nothing is enforced.
func (b *bench) permissions(ctx context.Context, off *platform.Platform) error {
	folder, err := os.MkdirTemp("", "lambkin-bench-permission-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	enforced, err := platform.Start(ctx, b.binary, folder, "--iam=enforce", "--account-concurrency", "100000")
	if err != nil {
		return err
	}
	defer enforced.Stop()
	var targets []target
	for _, p := range []*platform.Platform{off, enforced} {
		raw, err := callOfUser(ctx, p)
		if err != nil {
			return err
		}
		targets = append(targets, target{p.Address, raw, p.PID()})
	}
	for _, clients := range []int{1, manyClients} {
		var measured [2][]figures
		for round := range rounds + 1 {
			for i, t := range targets {
				f, err := b.measure(t, event(), clients)
				if err != nil {
					return err
				}
				if round > 0 { // the first round warms both up
					measured[i] = append(measured[i], f)
				}
			}
		}
		without, with := median(measured[0]), median(measured[1])
		b.add(row{what: fmt.Sprintf("--iam=enforce, warm call of a user, %d clients, p50 / p99 / CPU added to a call", clients),
			lambkin: milliseconds(with.p50) + " / " + milliseconds(with.p99) + " / " + fmt.Sprintf("%.0f µs", float64(with.cpu-without.cpu)/float64(time.Microsecond)),
			ratio:   fmt.Sprintf("%.2f times without", float64(with.p50)/float64(without.p50))})
	}
	return nil
}

// callOfUser makes a role, a function, and a user who may invoke it, and signs that call.
func callOfUser(ctx context.Context, p *platform.Platform) ([]byte, error) {
	const trust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	const may = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"*"},{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:*:*:function:permission"}]}`
	for _, form := range []url.Values{
		{"Action": {"CreateRole"}, "RoleName": {"test"}, "AssumeRolePolicyDocument": {trust}},
		{"Action": {"CreateUser"}, "UserName": {"caller"}},
		{"Action": {"PutUserPolicy"}, "UserName": {"caller"}, "PolicyName": {"may"}, "PolicyDocument": {may}},
	} {
		if _, err := iamCall(ctx, p, form); err != nil {
			return nil, err
		}
	}
	if err := p.Deploy(ctx, trivial("permission")); err != nil {
		return nil, err
	}
	body, err := iamCall(ctx, p, url.Values{"Action": {"CreateAccessKey"}, "UserName": {"caller"}})
	if err != nil {
		return nil, err
	}
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	if err := xml.Unmarshal(body, &made); err != nil {
		return nil, err
	}
	request, err := platform.SignAs(ctx, aws.Credentials{AccessKeyID: made.ID, SecretAccessKey: made.Secret}, "lambda", http.MethodPost,
		"http://"+p.Address+platform.InvokePath("permission"), http.Header{"Content-Type": {"application/json"}, "User-Agent": {"lambkin-bench"}}, event())
	if err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	err = request.Write(&raw)
	return raw.Bytes(), err
}

func iamCall(ctx context.Context, p *platform.Platform, form url.Values) ([]byte, error) {
	form.Set("Version", "2010-05-08")
	reply, err := p.CallService(ctx, "iam", http.MethodPost, "/", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	if err == nil && reply.Status != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %s", form.Get("Action"), reply.Status, reply.Body)
	}
	if err != nil {
		return nil, err
	}
	return reply.Body, nil
}
